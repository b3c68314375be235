"""Checks of numbers and tensors from users."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any, Final

from text2face.errors import ArgumentError, quoted

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["MAX_COUNT", "check_count", "check_images", "check_number"]

MAX_COUNT: Final = 100_000


def check_images(images: Tensor) -> None:
    """Check the shape of a batch of images.

    Raises:
        ArgumentError: It is not [N, 3, H, W], or H or W is 0.
    """
    if images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape[2:]:
        raise ArgumentError(
            f"images have shape {list(images.shape)}, expected [N, 3, H, W] in [-1, 1]"
        )


def check_count(name: str, value: Any, *, least: int = 1, most: int = MAX_COUNT) -> int:
    """Check a whole number.

    Raises:
        ArgumentError: It is of another type or out of bounds.
    """
    whole = isinstance(value, Integral) and not isinstance(value, bool)  # numpy's integers too
    if not whole or not least <= value <= most:
        raise ArgumentError(
            f"{name} is {quoted(value)}, expected a whole number from {least} to {most}"
        )
    return int(value)


def check_number(name: str, value: Any, least: float, most: float) -> None:
    """Check a finite number.

    Raises:
        ArgumentError: It is of another type or out of bounds.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not least <= value <= most:  # NaN and infinity are not either
        raise ArgumentError(
            f"{name} is {quoted(value)}, expected a number from {least:g} to {most:g}"
        )
