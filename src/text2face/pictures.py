"""The one reader of pictures: three formats by their first bytes, within limits, as 8-bit RGB.

Everything that opens a picture comes through here: the command line, the server, the page, photos
to train on, references to be held against, and what pictures say about themselves.

- PNG, JPEG and WebP, each by its own decoder. `PIL.Image.open` would try some forty others, among
  them one that runs Ghostscript.
- The first frame of a moving picture, and the first picture of an MPO.
- Upright, as EXIF says. An EXIF that cannot be read turns nothing.
- 16 bits a channel are scaled to 8. What is transparent lies on white. CMYK and YCCK become RGB by
  Pillow's formula.
- Colour profiles and gamma are not applied, on purpose: the models were trained on pictures that
  were read so, and a profile is foreign data for one more parser.
"""

from __future__ import annotations

import io
import os
import re
import stat
import struct
import zlib
from pathlib import Path
from typing import Any, Final

from PIL import ExifTags, Image
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from text2face.errors import ArgumentError

__all__ = [
    "MAX_PIXELS",
    "MIME",
    "READ_SUFFIXES",
    "UPLOAD_PIXELS",
    "decode_image",
    "find_pictures",
    "image_format",
    "load_pixels",
    "open_image",
    "read_file",
    "read_picture",
    "resized",
    "to_rgb",
    "why_unreadable",
]

MAX_PIXELS: Final = 2**27
"""Of a file that the user names: the largest photos of phones have 108 million."""
UPLOAD_PIXELS: Final = 2**25
"""Of a picture that a stranger sends."""
MAX_BYTES: Final = 2**28
MIME: Final = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
"""The formats that are read and written, and their types."""
_PLUGINS: Final = {
    "png": PngImageFile,
    "jpeg": JpegImageFile,
    "webp": WebPImageFile,
    "gif": GifImageFile,
}
READ_SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp")
_OTHERS: Final = (
    "apng avif bmp cr2 dng eps exr gif heic heif ico j2k jfif jp2 jpe jxl nef pbm pgm pnm ppm psd "
    "qoi tga tif tiff"
)
"""Endings of pictures that are not read (a few of them are, by their first bytes)."""
BROKEN: Final = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,  # of GIF, whose frames may be larger than it says
)
"""What Pillow's decoders raise on damaged files."""
_KEPT_INFO: Final = ("parameters", "text2face", "XML:com.adobe.xmp", "xmp")
"""What a picture says about its making, which stays when it is read."""
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_XMP_TURN: Final = re.compile(rb"""tiff:Orientation(\s*=\s*["']|>)\s*[0-9]""")


def image_format(content: bytes) -> str | None:
    """The format that the first bytes of a file tell: "png", "jpeg", "webp", "gif" or None."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if content.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if content.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    return "webp" if content[:4] == b"RIFF" and content[8:12] == b"WEBP" else None


def read_file(path: Path, most: int = MAX_BYTES) -> bytes:
    """Read a file, if it is a regular one of a size that pictures have.

    Raises:
        ArgumentError: It is missing, larger than `most` bytes, or a folder, a pipe or a device.
    """
    content = _start(path, most + 1)
    if len(content) > most:
        raise ArgumentError(
            f"cannot read {path}: it has more than {most} bytes; expected a picture"
        )
    return content


def _start(path: Path, size: int) -> bytes:
    """The first bytes of a regular file."""
    try:
        # A pipe without a writer would block here for ever but for O_NONBLOCK.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        with open(os.open(path, flags), "rb") as file:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return file.read(size)
    except FileNotFoundError:
        raise ArgumentError(
            f"cannot read {path}: no picture there; expected an image file; check the path"
        ) from None
    except IsADirectoryError:  # os.open may, open does
        pass
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ArgumentError(f"cannot read {path}: {why.lower()}; expected an image file") from None
    raise ArgumentError(f"cannot read {path}: a folder, a pipe or a device; expected an image file")


def find_pictures(folder: Path) -> list[Path]:
    """What is called a picture in a folder and those below, by name; perhaps it cannot be read."""
    endings = {*READ_SUFFIXES, *(f".{name}" for name in _OTHERS.split())}
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in endings and not path.name.startswith(".") and not path.is_dir()
    )


def why_unreadable(path: Path) -> str | None:
    """Why a file is no PNG, JPEG or WebP, by its first bytes; None = it is one."""
    try:
        kind = image_format(_start(path, 16))
    except ArgumentError as error:
        return str(error).removeprefix(f"cannot read {path}: ").split(";")[0]
    return None if kind in MIME else "no PNG, JPEG or WebP"


def open_image(
    content: bytes, name: str, *, max_pixels: int = MAX_PIXELS, moving: bool = False
) -> Image.Image:
    """Open a PNG, JPEG or WebP without decoding its pixels.

    Args:
        content: The file.
        name: What errors call it.
        max_pixels: The most pixels that it may have.
        moving: Whether a GIF may be opened as well, to hear what it says about its making.

    Raises:
        ArgumentError: It is none of them, damaged, or has more pixels than allowed.
    """
    kind = image_format(content)
    if kind is None or (kind == "gif" and not moving):
        raise ArgumentError(
            f"cannot read {name}: no PNG, JPEG or WebP by its first bytes; expected one of them; "
            "convert it with another program"
        )
    try:
        # Not Image.open, which warns of large pictures before their size can be looked at.
        image = _PLUGINS[kind](io.BytesIO(content))
    except BROKEN:
        raise ArgumentError(
            f"cannot read {name}: a damaged {kind.upper()}; expected a whole image"
        ) from None
    except MemoryError:
        raise _no_memory(name) from None
    if image.width * image.height > max_pixels:
        raise ArgumentError(
            f"{name} is {image.width}×{image.height}, expected at most {max_pixels} pixels; "
            "make it smaller"
        )
    return image


def decode_image(
    content: bytes, name: str, *, max_pixels: int = UPLOAD_PIXELS, moving: bool = False
) -> Image.Image:
    """Decode a picture, see `to_rgb`; the arguments are those of `open_image`.

    Where the file has Content Credentials, `info["c2pa"]` is set.

    Raises:
        ArgumentError: As `open_image`.
    """
    image = open_image(content, name, max_pixels=max_pixels, moving=moving)
    load_pixels(image, name)
    if content.startswith(b"\x89PNG"):
        _scale_key(image, depth=content[24])
    picture = to_rgb(image, name)
    if b"c2pa" in content:
        picture.info["c2pa"] = "signed"
    return picture


def load_pixels(image: Image.Image, name: str) -> None:
    """Decode the pixels of a picture.

    Raises:
        ArgumentError: They are damaged, or do not fit into the memory.
    """
    try:
        image.load()
    except BROKEN:
        raise ArgumentError(
            f"cannot read {name}: its pixels are damaged or cut off; expected a whole image"
        ) from None
    except MemoryError:
        raise _no_memory(name) from None


def read_picture(path: Path, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Read a picture from a file, see `to_rgb`.

    Raises:
        ArgumentError: The file is missing, damaged, too large, or no PNG, JPEG or WebP.
    """
    return decode_image(read_file(path), str(path), max_pixels=max_pixels)


def resized(image: Image.Image, side: int) -> Image.Image:
    """A square picture with another side in pixels, by Lanczos; enlarging adds no detail."""
    if image.size == (side, side):
        return image
    return image.resize((side, side), Image.Resampling.LANCZOS)


def to_rgb(image: Image.Image, name: str = "the picture") -> Image.Image:
    """A picture of any mode as 8-bit RGB, upright, on white; its record stays in `info`.

    Raises:
        ArgumentError: Its pixels are damaged, or of a mode without a known range ("F", and "I"
            that is not from a PNG).
    """
    try:
        image.load()
        turn = _TURNS.get(_orientation(image))
        flat = _flat(image, name)
        upright = flat.transpose(turn) if turn is not None else flat
    except ArgumentError:
        raise
    except BROKEN as error:
        raise ArgumentError(
            f"cannot read {name}: a picture of mode {image.mode} is not to be had as RGB "
            f"({' '.join(str(error).split())[:80]}); expected 8 or 16 bits a channel"
        ) from None
    except MemoryError:
        raise _no_memory(name) from None
    upright.info = _kept_info(image, turned=turn is not None)
    return upright


def _no_memory(name: str) -> ArgumentError:
    return ArgumentError(
        f"cannot read {name}: its pixels do not fit into the memory; make it smaller"
    )


def _orientation(image: Image.Image) -> int:
    """How EXIF says that a picture is to be turned; 1 = not at all."""
    try:
        found = image.getexif().get(ExifTags.Base.Orientation)
    except BROKEN:
        return 1
    return found if isinstance(found, int) else 1


def _flat(image: Image.Image, name: str) -> Image.Image:
    """8-bit RGB, with what is transparent on white."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        import numpy as np

        values = np.asarray(image)
        grey = ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
        key = image.info.get("transparency")
        if isinstance(key, int):
            grey[values == key] = 255
        return Image.fromarray(grey).convert("RGB")
    if image.mode in ("I", "F"):
        raise ArgumentError(
            f"{name} has the mode {image.mode}, 32 bits a pixel, whose range is unknown; expected "
            "8 or 16 bits a channel; scale its values and convert it to L or RGB"
        )
    if image.mode in ("La", "RGBa"):
        image = image.convert({"La": "LA", "RGBa": "RGBA"}[image.mode])
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _scale_key(image: Image.Image, depth: int) -> None:
    """Give the transparent colour of a PNG in 8 bits, as Pillow gives the pixels."""
    key: Any = image.info.get("transparency")
    if image.mode == "L" and depth < 8 and isinstance(key, int):
        image.info["transparency"] = key * 255 // (2**depth - 1)
    elif image.mode == "RGB" and depth == 16 and isinstance(key, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in key)


def _kept_info(image: Image.Image, turned: bool) -> dict[str | tuple[int, int], Any]:
    """What a picture says about its making, without the turn that it has had."""
    kept: dict[str | tuple[int, int], Any] = {
        key: image.info[key] for key in _KEPT_INFO if isinstance(image.info.get(key), str | bytes)
    }
    for key in ("XML:com.adobe.xmp", "xmp") if turned else ():
        packet = kept.get(key, b"")
        if isinstance(packet, str):
            kept[key] = _XMP_TURN.sub(rb"tiff:Orientation\g<1>1", packet.encode()).decode()
        elif packet:
            kept[key] = _XMP_TURN.sub(rb"tiff:Orientation\g<1>1", packet)
    return kept
