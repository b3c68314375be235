"""X/Y grids of faces, and looping animations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from PIL import Image

from text2face.errors import ArgumentError
from text2face.sheet import contact_sheet

__all__ = ["grid_sheet", "ping_pong"]


def ping_pong(images: Sequence[Image.Image]) -> list[Image.Image]:
    """Forwards, then backwards, so that an animation loops without a jump."""
    return [*images, *images[-2:0:-1]]


def grid_sheet(
    draw: Callable[[Any, Any], Image.Image],
    x: tuple[str, Sequence[Any]],
    y: tuple[str, Sequence[Any]],
    on_image: Callable[[], object] = lambda: None,
) -> Image.Image:
    """An X/Y grid: one picture for every pair of two parameters' values.

    Args:
        draw: Makes the picture of a value of x and one of y.
        x: A name and the values from left to right.
        y: A name and the values from top to bottom; they stand above the rows.
        on_image: Called after each picture.

    Raises:
        ArgumentError: There are no values.
    """
    (x_name, columns), (y_name, rows) = x, y
    if not columns or not rows:
        raise ArgumentError("an X/Y grid without values; expected at least one of each")
    images: list[Image.Image] = []
    for row in rows:
        for column in columns:
            images.append(draw(column, row))
            on_image()
    across = ", ".join(str(value) for value in columns)
    heads = [f"{y_name} {row}; {x_name} {across}" for row in rows]
    return contact_sheet(images, len(columns), heads)
