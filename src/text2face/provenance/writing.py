"""Writing the provenance of an image into its file.

Every PNG, JPEG and WebP carries three things:

- `parameters`: one text in the manner of the AUTOMATIC1111 web UI, which other tools show: a text
  chunk of a PNG, the EXIF UserComment of the others;
- a record: one JSON object with all it takes to draw the image again: the text chunk `text2face` of
  a PNG, a property of the XMP packet of the others;
- an XMP packet with the IPTC property DigitalSourceType = trainedAlgorithmicMedia, the
  machine-readable mark of an AI-generated image (EU AI Act, art. 50).

Content Credentials (C2PA), a signature over all of it, come on top where there is a certificate.
"""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from text2face.checks import check_count
from text2face.errors import ArgumentError
from text2face.pictures import MAX_PIXELS, MIME, decode_image
from text2face.provenance import pixels, xmp
from text2face.provenance.record import Record, parameters_of
from text2face.storage.folders import atomic_file

__all__ = [
    "FORMATS",
    "MOVING",
    "Signer",
    "check_sheet",
    "check_size",
    "encode_edited",
    "encode_file",
    "file_format",
    "load_signer",
    "write",
    "write_edited",
    "write_sheet",
]

Signer = Callable[[bytes, str], bytes]
"""From an image file and its MIME type to the signed file; `load_signer` makes one."""
FORMATS: Final = tuple(MIME)
CHUNK: Final = "text2face"
XMP_CHUNK: Final = "XML:com.adobe.xmp"
CODED: Final = b"UNICODE\x00"  # how EXIF marks UTF-16
_SUFFIXES: Final = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
MOVING: Final = ("gif", "webp")
"""The formats of moving pictures."""
_LONGEST: Final = {"jpeg": 65_535, "webp": 16_383, "gif": 65_535}
_PNG_LONGEST: Final = 2**31 - 1
_POOR: Final = 60
"""What JPEG and WebP of a higher quality lose, `pixels.matches` takes for nothing."""
_XMP_ROOM: Final = 65_000  # bytes that a JPEG has for its packet
_PACKING: Final = zlib.Z_RLE
"""Of a face of 1024² with some noise: 0.10 s and 1.44 MB, where zlib's level 6 takes 0.50 s and
1.46 MB, and its level 3 takes 0.18 s and 1.67 MB (processor time)."""


def load_signer(
    certificate: Path, key: Path, *, sources: Sequence[tuple[str, bytes]] = ()
) -> Signer:
    """Make a function that signs image files as C2PA does, see `provenance.c2pa.load_signer`.

    Raises:
        ArgumentError: The files are no certificate chain and key, or c2pa-python is missing.
    """
    from text2face.provenance import c2pa

    return c2pa.load_signer(certificate, key, sources=sources)


def file_format(path: Path) -> str:
    """The format that a file's name asks for: "png", "jpeg" or "webp".

    Raises:
        ArgumentError: None of them.
    """
    kind = _SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise ArgumentError(
            f"the format of {path} is unknown; expected a name in {', '.join(_SUFFIXES)}"
        )
    return kind


def encode_file(
    image: Image.Image | Sequence[Image.Image],
    record: Record | Sequence[Record],
    format: str = "png",
    *,
    quality: int | None = None,
    duration: int = 80,
    sign: Signer | None = None,
) -> bytes:
    """Make an image file that carries its record.

    Args:
        image: The picture, or the frames of an animated WebP.
        record: Its record, or those of the faces on a contact sheet or in an animation.
        format: "png", "jpeg" or "webp".
        quality: 1 to 100 for JPEG and WebP, where 100 is a lossless WebP; None = 95.
        duration: Milliseconds a frame.
        sign: Adds Content Credentials.

    Raises:
        ArgumentError: The format is unknown, or its file has no room for so many records.
        OutputError: The certificate does not sign.
    """
    frames = [image] if isinstance(image, Image.Image) else list(image)
    content: dict[str, Any]
    if isinstance(record, Record):
        parameters, content = parameters_of(record, frames[0].size), asdict(record)
    else:
        parameters = "; ".join(dict.fromkeys(one.prompt for one in record))
        content = {"contact_sheet": [asdict(one) for one in record]}
    return _assemble(frames, parameters, content, format, quality, duration, sign)


def check_size(format: str, width: int, height: int) -> None:
    """See that a picture fits into a format, before it is drawn.

    Raises:
        ArgumentError: It is too large.
    """
    most = _LONGEST.get(format, _PNG_LONGEST)
    if max(width, height) > most:
        raise ArgumentError(
            f"a picture of {width}×{height} as {format}, expected at most {most} pixels a side; "
            "make it smaller, or save it as PNG"
        )
    if width * height > MAX_PIXELS:
        raise ArgumentError(
            f"a picture of {width}×{height}, expected at most {MAX_PIXELS} pixels in all; make it "
            "smaller"
        )


def check_sheet(format: str, size: tuple[int, int], records: Sequence[Record]) -> None:
    """See that a contact sheet with its records fits into a format, before its faces are drawn.

    Raises:
        ArgumentError: It does not.
    """
    check_size(format, *size)
    if format in ("jpeg", "webp"):
        sheet = Image.new("RGB", size)
        _packet({"contact_sheet": [asdict(one) for one in records]}, sheet, format)


def _assemble(
    frames: Sequence[Image.Image],
    parameters: str,
    content: Mapping[str, Any],
    format: str,
    quality: int | None = None,
    duration: int = 80,
    sign: Signer | None = None,
) -> bytes:
    if format not in FORMATS and (format != "gif" or len(frames) < 2):
        raise ArgumentError(f"format is {format!r}, expected one of {', '.join(FORMATS)}")
    if len(frames) > 1 and format not in MOVING:
        raise ArgumentError(f"an animation as {format}; expected {' or '.join(MOVING)}")
    check_size(format, *frames[0].size)
    pack = {"png": _png, "jpeg": _lossy, "webp": _lossy, "gif": _gif}[format]
    options: dict[str, Any] = {"format": format.upper()}
    if format == "jpeg":
        options |= {"quality": 95 if quality is None else quality, "subsampling": 0}
    elif format == "webp":
        options |= {"quality": 95 if quality is None else quality, "lossless": quality == 100}
    if len(frames) > 1:
        options |= {"save_all": True, "append_images": frames[1:], "duration": duration, "loop": 0}
    file = pack(frames[0], parameters, content, options)
    return sign(file, MIME.get(format, "image/gif")) if sign else file


def _saved(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


def _text(content: Mapping[str, Any], image: Image.Image) -> str:
    return json.dumps({**content, "pixels": pixels.summary(image)})


def _png(
    image: Image.Image, parameters: str, content: Mapping[str, Any], options: Mapping[str, Any]
) -> bytes:
    info = PngInfo()
    info.add_itxt("parameters", parameters)
    info.add_itxt(CHUNK, _text(content, image))
    info.add_itxt(XMP_CHUNK, xmp.make())
    return _saved(image, pnginfo=info, compress_type=_PACKING, **options)


def _lossy(
    image: Image.Image, parameters: str, content: Mapping[str, Any], options: Mapping[str, Any]
) -> bytes:
    """A JPEG or a WebP."""
    kept = image
    if options["quality"] < _POOR:  # what is kept is then farther from the picture than may be
        kept = decode_image(_saved(image, **options), "the image", max_pixels=MAX_PIXELS)
    packet = _packet(content, kept, options["format"].lower())
    exif = Image.Exif()
    comment = CODED + parameters.encode("utf-16-be", "replace")
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = comment
    return _saved(image, exif=exif.tobytes(), xmp=packet, **options)


def _packet(content: Mapping[str, Any], image: Image.Image, format: str) -> bytes:
    packet = xmp.make(_text(content, image)).encode()
    if len(packet) > _XMP_ROOM:
        raise ArgumentError(
            f"the records of {len(content.get('contact_sheet', [0]))} faces do not fit into "
            f"a {format} file; expected fewer; save it as PNG"
        )
    return packet


def _gif(
    image: Image.Image, parameters: str, content: Mapping[str, Any], options: Mapping[str, Any]
) -> bytes:
    """A moving GIF: the parameters as its comment, the rest as XMP where Adobe's programs do."""
    comment = parameters.encode("utf-8", "replace")
    file = _saved(image, comment=comment, optimize=False, disposal=1, **options)
    kept = decode_image(file, "the image", max_pixels=MAX_PIXELS, moving=True)  # of 256 colours
    return xmp.into_gif(file, xmp.make(_text(content, kept)))


def write(
    path: Path,
    image: Image.Image,
    record: Record,
    *,
    sign: Signer | None = None,
    overwrite: bool = True,
) -> None:
    """Save an image with its record, whole or not at all, in the format that its name tells.

    Raises:
        ArgumentError: No such format.
        OutputError: It cannot be written, or is there already and may not be overwritten.
    """
    file = encode_file(image, record, file_format(path), sign=sign)
    with atomic_file(path, overwrite=overwrite) as target:
        target.write(file)


def write_sheet(
    path: Path,
    image: Image.Image,
    records: Sequence[Record],
    *,
    sign: Signer | None = None,
    overwrite: bool = True,
) -> None:
    """Save a contact sheet with the records of its faces, whole or not at all.

    Raises:
        ArgumentError: No such format, or it has no room for so many records.
        OutputError: It cannot be written, or is there already and may not be overwritten.
    """
    file = encode_file(image, list(records), file_format(path), sign=sign)
    with atomic_file(path, overwrite=overwrite) as target:
        target.write(file)


def write_edited(
    path: Path,
    image: Image.Image | Sequence[Image.Image],
    parameters: str,
    content: Mapping[str, Any],
    *,
    fps: int = 12,
    sign: Signer | None = None,
    overwrite: bool = True,
) -> None:
    """Save what words and seed alone do not make, whole or not at all.

    Args:
        path: Its name tells the format.
        image: A picture; or the frames of a moving one, which loops, as GIF or WebP.
        parameters: The text that other tools show.
        content: JSON values, "edited" among them: the list of what was done.
        fps: Frames in a second, 1 to 50.
        sign: Adds Content Credentials.
        overwrite: Whether it may take the place of a file.

    Raises:
        ArgumentError: No such format, or it has no room for so much, or frames of several sizes.
        OutputError: It cannot be written.
    """
    frames = [image] if isinstance(image, Image.Image) else list(image)
    if isinstance(image, Image.Image):
        format = file_format(path)
    else:
        format = path.suffix.lower().removeprefix(".")
        if format not in MOVING or len(frames) < 2 or len({one.size for one in frames}) != 1:
            raise ArgumentError(
                f"a moving picture {path.name} of {len(frames)} images; expected .gif or .webp and "
                "at least two images of one size"
            )
    file = encode_edited(frames, parameters, content, format, fps=fps, sign=sign)
    with atomic_file(path, overwrite=overwrite) as target:
        target.write(file)


def encode_edited(
    frames: Sequence[Image.Image],
    parameters: str,
    content: Mapping[str, Any],
    format: str = "png",
    *,
    fps: int = 12,
    sign: Signer | None = None,
) -> bytes:
    """Make a file of what words and seed alone do not make; see `write_edited`.

    Raises:
        ArgumentError: The format is unknown, or has no room for so much.
        OutputError: The certificate does not sign.
    """
    check_count("fps", fps, most=50)
    duration = round(1000 / fps)
    return _assemble(frames, parameters, content, format, duration=duration, sign=sign)
