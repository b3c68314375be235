"""Checks of tensors at public doors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from text2face.errors import ArgumentError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["check_images"]


def check_images(images: Tensor) -> None:
    """Check the shape of a batch of images.

    Raises:
        ArgumentError: It is not [N, 3, H, W], or H or W is 0.
    """
    if images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape[2:]:
        raise ArgumentError(
            f"images have shape {list(images.shape)}, expected [N, 3, H, W] in [-1, 1]"
        )
