"""Large images a few at a time, so that a batch of them fits into memory.

The graph of one image of 1024² takes about 2.6 GB, and a batch holds 16. Each part of a batch is
drawn, judged and forgotten; its graph is made again when its gradient is computed (Chen et al.
2016, arXiv 1604.06174). Losses and gradients are those of the whole batch, up to rounding, for a
third more work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

__all__ = ["chunk_size", "in_chunks"]

_PIXELS: Final = 1024**2  # whose graph is kept at a time


def chunk_size(resolution: int) -> int:
    """How many images of a resolution are drawn at a time."""
    return max(1, _PIXELS // resolution**2)


def in_chunks(
    work: Callable[..., tuple[Tensor, ...]], resolution: int, *inputs: Tensor
) -> tuple[Tensor, ...]:
    """Do the work on parts of a batch, and put the results together.

    Args:
        work: Of what it is given, it treats each item alone; tensors [n, …] → tensors [n, …].
        resolution: Of the images that it draws.
        inputs: Tensors [N, …].

    Returns:
        What `work` gives for the whole batch.
    """
    size = chunk_size(resolution)
    if len(inputs[0]) <= size:
        return work(*inputs)
    parts = []
    for part in zip(*(torch.split(tensor, size) for tensor in inputs), strict=True):
        if torch.is_grad_enabled():
            parts.append(checkpoint(work, *part, use_reentrant=False))
        else:
            parts.append(work(*part))
    return tuple(torch.cat(results) for results in zip(*parts, strict=True))
