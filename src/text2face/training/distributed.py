"""Several processes under torchrun; alone, everything here is the identity."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

__all__ = [
    "barrier",
    "global_mean",
    "join",
    "local_device",
    "mean_across",
    "rank",
    "share_of",
    "sum_over_ranks",
    "world_size",
]


def rank() -> int:
    """The number of this process."""
    return dist.get_rank() if _many() else 0


def world_size() -> int:
    """How many processes there are."""
    return dist.get_world_size() if _many() else 1


def local_device(device: str | torch.device) -> torch.device:
    """The device of this process: a GPU of its own where there are several."""
    from text2face.loading import choose_device

    chosen = choose_device(device)
    if chosen.type == "cuda" and chosen.index is None:
        chosen = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(chosen)
    return chosen


@contextmanager
def join(device: torch.device) -> Iterator[None]:
    """Meet the other processes that torchrun has started, by NCCL on GPUs and gloo elsewhere."""
    if "RANK" not in os.environ or "MASTER_ADDR" not in os.environ or _many():
        yield
        return
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def share_of(count: int) -> tuple[int, int]:
    """Start and stop of this process's items, of `count` for all."""
    return count * rank() // world_size(), count * (rank() + 1) // world_size()


def sum_over_ranks(values: Tensor) -> Tensor:
    """The sum over all processes, without gradient."""
    if _many():
        values = values.detach().clone()
        dist.all_reduce(values)
    return values


def barrier() -> None:
    """Wait for the others."""
    if _many():
        dist.barrier()


class _GlobalMean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return sum_over_ranks(values) / world_size()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


def global_mean(values: Tensor) -> Tensor:
    """The mean over all ranks of what each computed as the mean over its own items, equally many.

    A loss may be any function of such means: every rank computes the same one, and since the
    gradients of the ranks are averaged afterwards, the gradient passes through unchanged.
    """
    if not _many():
        return values
    mean: Tensor = _GlobalMean.apply(values)  # type: ignore[no-untyped-call]
    return mean


class _MeanAcross(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return sum_over_ranks(values) / world_size()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return sum_over_ranks(gradient) / world_size()


def mean_across(values: Tensor) -> Tensor:
    """The mean over all ranks, of which each makes a use of its own; differentiable."""
    if not _many():
        return values
    mean: Tensor = _MeanAcross.apply(values)  # type: ignore[no-untyped-call]
    return mean


def _many() -> bool:
    return dist.is_available() and dist.is_initialized()
