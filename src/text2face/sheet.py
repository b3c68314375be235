"""Contact sheets: many faces on one page, with the words above each row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from text2face.errors import ArgumentError

__all__ = ["contact_sheet", "page_size"]

_GAP: Final = 4
_PAPER: Final = "white"
_INK: Final = "black"


def contact_sheet(
    images: Sequence[Image.Image], columns: int, captions: Sequence[str] | None = None
) -> Image.Image:
    """Lay images out row by row.

    Args:
        images: At least one, all of one size.
        columns: How many side by side.
        captions: The words above each row; None = none.

    Raises:
        ArgumentError: No images, of several sizes, or captions that are not one for each row.
    """
    if not images or columns < 1 or len({image.size for image in images}) != 1:
        raise ArgumentError(
            f"a contact sheet of {len(images)} images in {columns} columns; expected images of one "
            "size and at least one of each"
        )
    rows = [images[i : i + columns] for i in range(0, len(images), columns)]
    if captions is not None and len(captions) != len(rows):
        raise ArgumentError(f"{len(captions)} captions for {len(rows)} rows; expected one for each")
    width, height = images[0].size
    layout = _lay_out(len(rows), columns, width, height, captions)
    page = Image.new("RGB", layout.size, _PAPER)
    pen = ImageDraw.Draw(page)
    top = _GAP
    for row, text, head in zip(rows, layout.texts, layout.heads, strict=True):
        pen.text((_GAP, top), text, fill=_INK, font=layout.font)
        for column, image in enumerate(row):
            page.paste(image, (_GAP + column * (width + _GAP), top + head))
        top += head + height + _GAP
    return page


def page_size(
    count: int, columns: int, side: int, captions: Sequence[str] | None = None
) -> tuple[int, int]:
    """Width and height of the contact sheet of `count` square images, before any is drawn."""
    return _lay_out(-(-count // columns), columns, side, side, captions).size


@dataclass(frozen=True)
class _Layout:
    size: tuple[int, int]
    texts: list[str]
    """The words above each row, in lines."""
    heads: list[int]
    """The height of each of them."""
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont


def _lay_out(
    rows: int, columns: int, width: int, height: int, captions: Sequence[str] | None
) -> _Layout:
    page_width = columns * (width + _GAP) + _GAP
    font = ImageFont.load_default(max(11, height // 10))
    texts = [_wrap(text, font, page_width - 2 * _GAP) for text in captions or [""] * rows]
    line_height = sum(font.getmetrics()) if isinstance(font, ImageFont.FreeTypeFont) else 11
    heads = [(text.count("\n") + 1) * (line_height + _GAP) if text else 0 for text in texts]
    return _Layout((page_width, sum(heads) + rows * (height + _GAP) + _GAP), texts, heads, font)


def _wrap(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """Break a text into lines no wider than `width` pixels, where words allow."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return "\n".join(lines)
