"""Rows, grids and moving pictures of faces."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from PIL import Image

from text2face.errors import ArgumentError
from text2face.settings import check_count
from text2face.sheet import contact_sheet
from text2face.storage.folders import atomic_file

__all__ = ["MOVING", "grid_sheet", "loop_of", "write_animation"]

MOVING: Final = (".gif", ".webp")
"""What a moving picture may be saved as."""


def loop_of(images: Sequence[Image.Image]) -> list[Image.Image]:
    """There and back again, so that a moving picture repeats without a jump."""
    return [*images, *images[-2:0:-1]]


def write_animation(
    path: Path, images: Sequence[Image.Image], *, fps: int = 12, comment: str = ""
) -> None:
    """Save a moving picture that repeats for ever, whole or not at all.

    Args:
        path: Ends in .gif or .webp.
        images: At least two, all of one size.
        fps: Pictures in a second, 1 to 50.
        comment: What it says about its making: a GIF comment, or the XMP packet of a WebP.

    Raises:
        ArgumentError: It cannot be saved so.
        OutputError: It cannot be written.
    """
    check_count("fps", fps, most=50)
    suffix = path.suffix.lower()
    if suffix not in MOVING or len(images) < 2 or len({image.size for image in images}) != 1:
        raise ArgumentError(
            f"a moving picture {path.name} of {len(images)} images; expected .gif or .webp and at "
            "least two images of one size"
        )
    options: dict[str, Any] = {"save_all": True, "loop": 0, "duration": round(1000 / fps)}
    if suffix == ".gif":
        options |= {"comment": comment.encode(), "optimize": False, "disposal": 1}
    else:
        options |= {"quality": 90, "method": 4, "xmp": comment.encode()}
    buffer = io.BytesIO()
    first, *others = (image.convert("RGB") for image in images)
    first.save(buffer, format=suffix[1:].upper(), append_images=others, **options)
    with atomic_file(path) as file:
        file.write(buffer.getvalue())


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
