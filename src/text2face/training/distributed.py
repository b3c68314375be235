"""Several processes under torchrun; alone, everything here is the identity."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import torch
import torch.distributed as dist
from torch import Tensor

from text2face.errors import ArgumentError, OutputError, one_line
from text2face.storage.locks import hold

__all__ = [
    "barrier",
    "global_mean",
    "hold_together",
    "join",
    "local_device",
    "mean_across",
    "rank",
    "share_of",
    "sum_over_ranks",
    "world",
    "world_size",
]

_PLACE: Final = ("MASTER_ADDR", "MASTER_PORT")
_SILENCE: Final = 3.0
"""Seconds of waiting for the others after which a line says so."""


def world() -> tuple[int, int]:
    """This process's number and how many there are, as torchrun says.

    Raises:
        ArgumentError: RANK and WORLD_SIZE do not fit together, or one is missing.
    """
    named = [os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE")]
    number, count = (_whole(value or default) for value, default in zip(named, "01", strict=True))
    half = "" in named and (number, count) != (0, 1)
    if number is None or count is None or number >= count or half:
        raise ArgumentError(
            f"RANK is {named[0]!r} and WORLD_SIZE {named[1]!r}, expected numbers as torchrun sets "
            "them; unset both, or start it with torchrun"
        )
    return number, count


def _whole(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 10 else None


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
        local = os.environ.get("LOCAL_RANK", "0")
        number = _whole(local)
        if number is None or number >= torch.cuda.device_count():
            raise ArgumentError(
                f"LOCAL_RANK is {local!r} and there are {torch.cuda.device_count()} GPUs; expected "
                "a number for each; start no more processes than GPUs, or name a --device"
            )
        chosen = torch.device("cuda", number)
        torch.cuda.set_device(chosen)
    return chosen


@contextmanager
def join(device: torch.device) -> Iterator[None]:
    """Meet the other processes that torchrun has started, by NCCL on GPUs and gloo elsewhere.

    Raises:
        ArgumentError: What torchrun sets is not all set, or they cannot be met.
    """
    count = world()[1]
    if count == 1 or _many():
        yield
        return
    place = [os.environ.get(name, "") for name in _PLACE]
    if not place[0] or not 0 < (_whole(place[1]) or 0) < 65536:
        said = ", ".join(f"{name} is {value!r}" for name, value in zip(_PLACE, place, strict=True))
        raise ArgumentError(
            f"WORLD_SIZE is {count}, but {said}; expected all as torchrun sets them; start it with "
            "torchrun, or unset RANK and WORLD_SIZE"
        )
    line = f"text2face: waiting for {count} processes at {':'.join(place)}"
    waiting = threading.Timer(_SILENCE, print, [line], {"file": sys.stderr, "flush": True})
    waiting.daemon = True
    waiting.start()
    try:
        dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    except (RuntimeError, ValueError, OSError) as error:
        why = one_line(str(error).strip().split("\n")[0][:200])
        raise ArgumentError(
            f"cannot meet {count} processes at {':'.join(place)}: {why}; expected each to be "
            "started, and a port that is free; start them with torchrun"
        ) from None
    finally:
        waiting.cancel()
    try:
        yield
    finally:
        dist.destroy_process_group()


@contextmanager
def hold_together(folder: Path, part: str = "text2face") -> Iterator[None]:
    """Hold a folder for all processes of this training; see `storage.locks.hold`.

    Raises:
        OutputError: Another command holds it, or it cannot be written; in every process.
    """
    with ExitStack() as stack:
        failure: list[str | None] = [None]
        if rank() == 0:
            try:
                stack.enter_context(hold(folder, part))
            except OutputError as error:
                failure[0] = str(error)
        if _many():
            dist.broadcast_object_list(failure)
        if failure[0] is not None:
            raise OutputError(failure[0])
        yield


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
