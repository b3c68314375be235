"""Pictures from strangers: opened by their first bytes, and never larger than allowed."""

from __future__ import annotations

import io
import struct
from typing import Final

from PIL import Image, ImageOps
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from text2face.errors import ArgumentError

__all__ = ["MAX_PIXELS", "MIME", "decode_image", "image_format", "open_image"]

MAX_PIXELS: Final = 2**25
MIME: Final = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
_PLUGINS: Final = {"png": PngImageFile, "jpeg": JpegImageFile, "webp": WebPImageFile}
_BROKEN: Final = (OSError, ValueError, SyntaxError, EOFError, struct.error, IndexError, KeyError)


def image_format(content: bytes) -> str | None:
    """The format that the first bytes of a file tell: "png", "jpeg", "webp" or None."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if content.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    return "webp" if content[:4] == b"RIFF" and content[8:12] == b"WEBP" else None


def open_image(content: bytes, name: str, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Open a PNG, JPEG or WebP without decoding its pixels.

    Raises:
        ArgumentError: It is none of them, damaged, or has more pixels than allowed.
    """
    kind = image_format(content)
    if kind is None:
        raise ArgumentError(f"cannot read {name}: no PNG, JPEG or WebP; expected one of them")
    try:
        # Not Image.open, which warns of large pictures before their size can be looked at.
        image = _PLUGINS[kind](io.BytesIO(content))
    except _BROKEN:
        raise ArgumentError(
            f"cannot read {name}: a damaged {kind.upper()}; expected a whole image"
        ) from None
    if image.width * image.height > max_pixels:
        raise ArgumentError(
            f"{name} is {image.width}×{image.height}, expected at most {max_pixels} pixels; "
            "make it smaller"
        )
    return image


def decode_image(content: bytes, name: str, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode a PNG, JPEG or WebP to RGB, upright as its EXIF says.

    Raises:
        ArgumentError: As `open_image`.
    """
    image = open_image(content, name, max_pixels=max_pixels)
    try:
        return ImageOps.exif_transpose(image).convert("RGB")
    except (*_BROKEN, MemoryError):
        raise ArgumentError(
            f"cannot read {name}: its pixels are damaged; expected a whole image"
        ) from None
