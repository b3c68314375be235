"""An estimate of how long pairs will take on this machine, measured on a few faces."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Final

import torch

from text2face.encoders.base import TextImageEncoder
from text2face.generators.base import Generator
from text2face.training.pairs import SHARD_SIZE
from text2face.training.quality import Quality, draw_for_encoder

__all__ = ["duration", "pairs_cost", "peak_memory", "seconds_per_pair"]

_BATCH: Final = 16
_LONG: Final = 2.0  # seconds


@torch.no_grad()
def seconds_per_pair(
    generator: Generator,
    encoder: TextImageEncoder,
    device: torch.device | str = "cpu",
    *,
    quality: Quality | None = None,
    batch_size: int = _BATCH,
) -> float:
    """The time of one pair: a latent, its image, and what the encoder sees in it.

    Args:
        generator: On the device, as the encoder is.
        encoder: Sees the images.
        device: Where both are.
        quality: How the images are drawn; None = whole, in float32.
        batch_size: Images at once.

    Returns:
        Seconds, from one batch.
    """

    def taken(count: int) -> float:
        z = torch.randn(count, generator.z_dim, generator=torch.Generator().manual_seed(0))
        start = time.perf_counter()
        # What is seen is read back, so that a GPU has finished.
        w = generator.map(z.to(device))
        encoder.encode_image(draw_for_encoder(generator, w, quality)).cpu()
        return (time.perf_counter() - start) / count

    first = taken(batch_size)  # the first is slower, and where it takes long that matters little
    return first if first * batch_size > _LONG else taken(batch_size)


def peak_memory(device: torch.device | str = "cpu") -> int | None:
    """The most bytes that this process has had on a device so far; None = not known."""
    if torch.device(device).type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # on Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


def pairs_cost(
    generator: Generator,
    encoder: TextImageEncoder,
    folder: Path,
    count: int,
    *,
    processes: int = 1,
    device: torch.device | str = "cpu",
    quality: Quality | None = None,
    batch_size: int = _BATCH,
) -> str:
    """One line that says how long the missing pairs of a folder take, and how much memory.

    Args:
        generator: See `seconds_per_pair`.
        encoder: See `seconds_per_pair`.
        folder: Where pairs are or will be.
        count: How many are wanted.
        processes: How many processes share the work.
        device: See `seconds_per_pair`.
        quality: See `seconds_per_pair`.
        batch_size: See `seconds_per_pair`.
    """
    there = SHARD_SIZE * sum(1 for _ in folder.glob("pairs-*.safetensors"))
    missing = max(0, count - there)
    if not missing:
        return f"{count:,} pairs: all are there"
    each = seconds_per_pair(generator, encoder, device, quality=quality, batch_size=batch_size)
    more = f", {count - missing:,} are there" if missing < count else ""
    most = peak_memory(device)
    memory = "" if most is None else f", {most / 1e9:.1f} GB of memory"
    return (
        f"{missing:,} pairs: about {duration(missing * each / processes)} on this machine "
        f"({seconds(each)} each{memory}{more})"
    )


def seconds(value: float) -> str:
    """A short time in two digits, such as "0.015 s" or "140 s"."""
    return f"{value:.2g} s" if value < 10 else f"{value:.0f} s"


def duration(seconds: float) -> str:
    """Time as people say it, such as "2 h", "12 min" or "40 s"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    if seconds < 36 * 3600:
        return f"{round(seconds / 3600)} h"
    return f"{round(seconds / 86400)} days"
