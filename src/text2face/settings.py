"""What makes a face besides its prompt, its seed and the weights."""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Final, Literal, get_args

from text2face.errors import ArgumentError

__all__ = ["MAX_SEED", "NoiseMode", "Settings", "check_count", "check_seed", "choose_seeds"]

NoiseMode = Literal["const", "random", "none"]
MAX_SEED: Final = 2**32 - 1
MAX_COUNT: Final = 100_000
MAX_SHORTLIST: Final = 1000


@dataclass(frozen=True)
class Settings:
    """The settings of one face, checked when made.

    Raises:
        ArgumentError: A value is out of range or of the wrong type.
    """

    truncation: float = 1.0
    """ψ from 0 (the average face) over 1 (as the sampler draws it) to 2 (exaggerated)."""
    truncation_cutoff: int | None = None
    """Truncate only the first layers, this many; None = all."""
    diversity: float = 1.0
    """The scale of z from 0 (always the most typical face) to 5."""
    condition: str = "text"
    """How the text embedding becomes the sampler's condition; see `samplers.conditions`."""
    shortlist: int = 1
    """Latents drawn for each face; the one whose estimated look is nearest to the text is kept."""
    noise_mode: NoiseMode = "const"
    """The generator's noise inputs: "const", "random" (drawn from the seed) or "none"."""
    negative_prompt: str | None = None
    """What is not wanted."""
    literal: bool = False
    """Take the prompt's characters as they stand: no brackets, escapes or AND."""

    def __post_init__(self) -> None:
        """Check every value."""
        _in_range("truncation", self.truncation, 0, 2)
        _in_range("diversity", self.diversity, 0, 5)
        check_count("shortlist", self.shortlist, most=MAX_SHORTLIST)
        if self.truncation_cutoff is not None:
            check_count("truncation_cutoff", self.truncation_cutoff, least=0)
        if self.noise_mode not in get_args(NoiseMode):
            modes = ", ".join(get_args(NoiseMode))
            raise ArgumentError(f"noise_mode is {self.noise_mode!r}, expected one of {modes}")
        if not isinstance(self.condition, str):
            raise ArgumentError(f"condition is {self.condition!r}, expected the name of one")
        if not isinstance(self.literal, bool):
            raise ArgumentError(f"literal is {self.literal!r}, expected True or False")


def check_seed(seed: object) -> int:
    """Check one seed: a whole number that numpy's RandomState takes.

    Raises:
        ArgumentError: It is not.
    """
    return check_count("seed", seed, least=0, most=MAX_SEED)


def check_count(name: str, value: Any, *, least: int = 1, most: int = MAX_COUNT) -> int:
    """Check a whole number.

    Raises:
        ArgumentError: It is of another type or out of bounds.
    """
    whole = isinstance(value, Integral) and not isinstance(value, bool)  # numpy's integers too
    if not whole or not least <= value <= most:
        raise ArgumentError(f"{name} is {value!r}, expected a whole number from {least} to {most}")
    return int(value)


def choose_seeds(
    seed: int | Sequence[int] | None,
    num_images: int = 1,
    candidates: int | None = None,
    keep: int | None = None,
) -> tuple[list[int], int | None]:
    """Settle which seeds to draw and how many faces to keep of them.

    Args:
        seed: The first of consecutive seeds, or all of them, or None to draw the first.
        num_images: How many images are wanted.
        candidates: How many to draw to choose from; None = no choice.
        keep: How many to keep of the candidates; None = num_images.

    Returns:
        The seeds, and how many to keep (None = all, in order).

    Raises:
        ArgumentError: A number is out of range, or the numbers contradict each other.
    """
    check_count("num_images", num_images)
    if keep is not None and candidates is None:
        raise ArgumentError(f"keep is {keep} without candidates; say how many to choose from")
    if candidates is not None:
        check_count("candidates", candidates)
        keep = check_count("keep", num_images if keep is None else keep, most=candidates)
        if num_images not in (1, keep):
            raise ArgumentError(f"num_images is {num_images} and keep is {keep}; give one of them")
    count = candidates or num_images
    if isinstance(seed, Sequence) and not isinstance(seed, str):
        seeds = [check_seed(one) for one in seed]
        if not seeds or count not in (1, len(seeds)):
            raise ArgumentError(f"{len(seeds)} seeds for {count} images; give one for each")
        return seeds, keep
    first = secrets.randbelow(2**31) if seed is None else check_seed(seed)
    check_seed(first + count - 1)
    return list(range(first, first + count)), keep


def _in_range(name: str, value: Any, least: float, most: float) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not least <= value <= most:
        raise ArgumentError(f"{name} is {value!r}, expected a number from {least:g} to {most:g}")
