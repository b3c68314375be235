"""What making pairs will cost on this machine, measured on some faces before it begins."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import torch

from text2face.encoders.base import TextImageEncoder
from text2face.generators.base import Generator
from text2face.training.pairs import SHARD_SIZE

__all__ = ["duration", "pairs_cost", "seconds_per_pair"]

_QUICK: Final = 0.2
"""Seconds a face, below which a batch is worth measuring: it costs less for each."""
_BATCH: Final = 16


@torch.no_grad()
def seconds_per_pair(
    generator: Generator, encoder: TextImageEncoder, device: torch.device | str = "cpu"
) -> float:
    """The time of one pair: a latent, its image, and what the encoder sees in it.

    Args:
        generator: On the device, as the encoder is.
        encoder: Sees the images.
        device: Where both are.

    Returns:
        Seconds, from two faces, or from batches where faces are quick.
    """

    def taken(count: int) -> float:
        z = torch.randn(count, generator.z_dim, generator=torch.Generator().manual_seed(0))
        start = time.perf_counter()
        # What is seen is read back, so that a GPU has finished.
        encoder.encode_image(generator.synthesize(generator.map(z.to(device)))).cpu()
        return (time.perf_counter() - start) / count

    taken(1)  # the first is slower
    one = taken(1)
    if one >= _QUICK:
        return one
    taken(_BATCH)
    return taken(_BATCH)


def pairs_cost(
    generator: Generator,
    encoder: TextImageEncoder,
    folder: Path,
    count: int,
    *,
    processes: int = 1,
    device: torch.device | str = "cpu",
) -> str:
    """One line that says how long the missing pairs of a folder will take.

    Args:
        generator: See `seconds_per_pair`.
        encoder: See `seconds_per_pair`.
        folder: Where pairs are or will be.
        count: How many are wanted.
        processes: How many processes share the work.
        device: See `seconds_per_pair`.
    """
    there = SHARD_SIZE * sum(1 for _ in folder.glob("pairs-*.safetensors"))
    missing = max(0, count - there)
    if not missing:
        return f"{count:,} pairs: all are there"
    each = seconds_per_pair(generator, encoder, device)
    more = f", {count - missing:,} are there" if missing < count else ""
    return (
        f"{missing:,} pairs: about {duration(missing * each / processes)} on this machine "
        f"({each:.2g} s each{more})"
    )


def duration(seconds: float) -> str:
    """Time as people say it, such as "2 h", "12 min" or "40 s"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    if seconds < 36 * 3600:
        return f"{round(seconds / 3600)} h"
    return f"{round(seconds / 86400)} days"
