"""What an image says about its own making, written into its file and read back.

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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from text2face.errors import ArgumentError
from text2face.pictures import MIME, image_format, open_image, read_file
from text2face.provenance import parameters, xmp
from text2face.provenance.xmp import DIGITAL_SOURCE_TYPE
from text2face.settings import Settings, check_count, check_seed
from text2face.storage.folders import atomic_file

if TYPE_CHECKING:
    from text2face.pipeline import Face, TextToFace

__all__ = [
    "DIGITAL_SOURCE_TYPE",
    "FORMATS",
    "Record",
    "Report",
    "Signer",
    "describe",
    "encode",
    "file_format",
    "inspect",
    "load_signer",
    "read",
    "told_by",
    "write",
    "write_edited",
    "write_sheet",
]

Signer = Callable[[bytes, str], bytes]
"""From an image file and its MIME type to the signed file; `load_signer` makes one."""
FORMATS: Final = tuple(MIME)
_SUFFIXES: Final = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
_CHUNK: Final = "text2face"
_XMP_CHUNK: Final = "XML:com.adobe.xmp"
_CODED: Final = b"UNICODE\x00"  # how EXIF marks UTF-16
_XMP_ROOM: Final = 65_000  # bytes that a JPEG has for its packet
_PACKING: Final = 3  # zlib's 6 takes 2.4 times as long for a file 8 % smaller


@dataclass(frozen=True)
class Record:
    """All it takes to draw an image again."""

    prompt: str
    seed: int
    settings: Settings
    model: str
    """The model's name."""
    weights: str | None
    """The fingerprint of its weights."""
    dtype: str = "float32"
    """The generator's number type."""
    device: str = "cpu"
    """The kind of device that drew it."""
    threads: int = 1
    """The CPU threads that drew it: their number changes the last bits of sums."""
    version: str = ""
    """The version of text2face that drew it."""
    score: float | None = None
    """The cosine between image and prompt."""
    process: str | None = None
    """What was done to the face after it was drawn from words, if anything: it cannot be drawn
    again from words alone."""


@dataclass(frozen=True)
class Report:
    """All that a file says about its making, and whether that holds together."""

    records: list[Record]
    """One, or those of the faces of a contact sheet or animation; none of an edited picture."""
    edited: dict[str, Any] | None
    """What was done to make an edited picture, without its latent; None of others."""
    parameters: str | None
    """The text that other tools show."""
    source_type: str | None
    """The IPTC digital source type."""
    credentials: str | None
    """What became of checking the C2PA signature; None if there is none."""
    problems: list[str]
    """What does not hold, in one line each; empty if all does."""


def load_signer(certificate: Path, key: Path) -> Signer:
    """Make a function that signs image files as C2PA does, see `provenance.c2pa.load_signer`.

    Raises:
        ArgumentError: The files are no certificate chain and key, or c2pa-python is missing.
    """
    from text2face.provenance import c2pa

    return c2pa.load_signer(certificate, key)


def describe(
    pipe: TextToFace, settings: Settings, face: Face, *, process: str | None = None
) -> Record:
    """The record of a face that `pipe` has drawn in this thread."""
    import torch

    import text2face

    return Record(
        prompt=face.prompt,
        seed=face.seed,
        settings=settings,
        model=pipe.config.name,
        weights=pipe.weights,
        dtype=str(pipe.dtype).removeprefix("torch."),
        device=pipe.device.type,
        threads=torch.get_num_threads(),
        version=text2face.__version__,
        score=face.score,
        process=process,
    )


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


def encode(
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
        parameters, content = _parameters(record, frames[0].size), asdict(record)
    else:
        parameters = "; ".join(dict.fromkeys(one.prompt for one in record))
        content = {"contact_sheet": [asdict(one) for one in record]}
    return _assemble(frames, parameters, content, format, quality, duration, sign)


def _assemble(
    frames: Sequence[Image.Image],
    parameters: str,
    content: Mapping[str, Any],
    format: str,
    quality: int | None = None,
    duration: int = 80,
    sign: Signer | None = None,
) -> bytes:
    if format not in FORMATS:
        raise ArgumentError(f"format is {format!r}, expected one of {', '.join(FORMATS)}")
    if len(frames) > 1 and format != "webp":
        raise ArgumentError(f"an animation as {format}; expected webp")
    text = json.dumps(content)
    buffer = io.BytesIO()
    if format == "png":
        info = PngInfo()
        info.add_itxt("parameters", parameters)
        info.add_itxt(_CHUNK, text)
        info.add_itxt(_XMP_CHUNK, xmp.make())
        frames[0].save(buffer, format="PNG", pnginfo=info, compress_level=_PACKING)
    else:
        packet = xmp.make(text).encode()
        if len(packet) > _XMP_ROOM:
            raise ArgumentError(
                f"the records of {len(content.get('contact_sheet', [0]))} faces do not fit into "
                f"a {format} file; expected fewer; save it as PNG"
            )
        exif = Image.Exif()
        comment = _CODED + parameters.encode("utf-16-be", "replace")
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = comment
        options: dict[str, Any] = {"quality": 95 if quality is None else quality}
        if format == "jpeg":
            options["subsampling"] = 0
        else:
            options["lossless"] = quality == 100
        if len(frames) > 1:
            options |= {"save_all": True, "append_images": frames[1:], "duration": duration}
            options["loop"] = 0
        frames[0].save(buffer, format=format.upper(), exif=exif.tobytes(), xmp=packet, **options)
    file = buffer.getvalue()
    return sign(file, MIME[format]) if sign else file


def write(path: Path, image: Image.Image, record: Record, *, sign: Signer | None = None) -> None:
    """Save an image with its record, whole or not at all, in the format that its name tells.

    Raises:
        ArgumentError: No such format.
        OutputError: It cannot be written.
    """
    file = encode(image, record, file_format(path), sign=sign)
    with atomic_file(path) as target:
        target.write(file)


def write_sheet(
    path: Path, image: Image.Image, records: Sequence[Record], *, sign: Signer | None = None
) -> None:
    """Save a contact sheet with the records of its faces, whole or not at all.

    Raises:
        ArgumentError: No such format, or it has no room for so many records.
        OutputError: It cannot be written.
    """
    file = encode(image, list(records), file_format(path), sign=sign)
    with atomic_file(path) as target:
        target.write(file)


def write_edited(
    path: Path,
    image: Image.Image,
    parameters: str,
    content: Mapping[str, Any],
    *,
    sign: Signer | None = None,
) -> None:
    """Save a picture that words and seed alone do not make, whole or not at all.

    Args:
        path: Its name tells the format.
        image: The picture.
        parameters: The text that other tools show.
        content: JSON values, "edited" among them: the list of what was done.
        sign: Adds Content Credentials.

    Raises:
        ArgumentError: No such format, or it has no room for so much.
        OutputError: It cannot be written.
    """
    file = _assemble([image], parameters, content, file_format(path), sign=sign)
    with atomic_file(path) as target:
        target.write(file)


def read(source: Path | bytes) -> list[Record]:
    """Read the record of an image, or the records of a contact sheet.

    Raises:
        ArgumentError: The file is missing, no image, says nothing about its making, or was edited.
    """
    content, name = _content(source)
    told = _told(_texts(open_image(content, name)), name)
    if "edited" in told:
        raise ArgumentError(
            f"{name} was edited, and words and seed alone do not make it; expected a picture as it "
            "was drawn; `text2face edit` goes on from this one"
        )
    return _records(told, name)


def told_by(image: Image.Image) -> dict[str, Any] | None:
    """The JSON object that text2face wrote into a picture, as Pillow opened it; None = none."""
    record = _texts(image).record
    try:
        told = json.loads(record) if record else None
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def inspect(source: Path | bytes) -> Report:
    """Read everything that a file says about its making, and check it.

    Raises:
        ArgumentError: The file is missing, no image, or says nothing about its making.
    """
    from text2face.provenance import c2pa

    content, name = _content(source)
    image = open_image(content, name)
    texts = _texts(image)
    told = _told(texts, name)
    records = [] if "edited" in told else _records(told, name)
    problems = []
    if texts.source_type != DIGITAL_SOURCE_TYPE:
        problems.append("the IPTC mark of generated images is missing")
    if len(records) == 1 and "contact_sheet" not in told:
        if not _tell(texts.parameters, _parameters(records[0], image.size)):
            problems.append("the parameters are not those of the record or of the image's size")
    elif texts.parameters is None:
        problems.append("the parameters are missing")
    verdict = c2pa.verify(content, MIME[image_format(content) or "png"])
    if verdict and not verdict[0]:
        problems.append(f"the Content Credentials are {verdict[1]}")
    return Report(
        records=records,
        edited=None if records else {k: v for k, v in told.items() if k != "latent"},
        parameters=texts.parameters,
        source_type=texts.source_type,
        credentials=verdict[1] if verdict else None,
        problems=problems,
    )


@dataclass(frozen=True)
class _Texts:
    """What was found in a file."""

    parameters: str | None
    record: str | None
    source_type: str | None


def _content(source: Path | bytes) -> tuple[bytes, str]:
    if isinstance(source, bytes):
        return source, "the image"
    return read_file(source), str(source)


def _texts(image: Image.Image) -> _Texts:
    if image.format == "PNG" or _CHUNK in image.info:  # a copy has no format
        chunks = {key: value for key, value in image.info.items() if isinstance(value, str)}
        kind, _ = xmp.read(chunks.get(_XMP_CHUNK, ""))
        return _Texts(chunks.get("parameters"), chunks.get(_CHUNK), kind)
    kind, record = xmp.read(image.info.get("xmp", b""))
    try:
        comment = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment)
    except (OSError, ValueError, SyntaxError, KeyError, TypeError):
        comment = None
    parameters = None
    if isinstance(comment, bytes) and comment.startswith(_CODED):
        parameters = comment[len(_CODED) :].decode("utf-16-be", "replace")
    return _Texts(parameters, record, kind)


def _told(texts: _Texts, name: str) -> dict[str, Any]:
    """The JSON object that text2face wrote."""
    if texts.record is None:
        raise ArgumentError(
            f"{name} says nothing about its making; expected an image that text2face made "
            "(other programs strip this when they save)"
        )
    try:
        told = json.loads(texts.record)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise _damaged(name)
    return told


def _records(told: Mapping[str, Any], name: str) -> list[Record]:
    try:
        return [_record(values) for values in told.get("contact_sheet", [told])]
    except (ValueError, TypeError, KeyError, AttributeError):
        raise _damaged(name) from None


def _damaged(name: str) -> ArgumentError:
    return ArgumentError(
        f"the text2face record of {name} is damaged or of another version; expected the JSON that "
        "text2face wrote"
    )


def _record(values: Mapping[str, Any]) -> Record:
    record = Record(**{**values, "settings": Settings(**values["settings"])})
    if not isinstance(record.prompt, str) or not isinstance(record.process, str | None):
        raise TypeError
    check_seed(record.seed)
    check_count("threads", record.threads, most=1024)
    return record


def _parameters(record: Record, size: tuple[int, int]) -> str:
    """The text that AUTOMATIC1111's web UI and its readers expect."""
    others = {
        "Size": f"{size[0]}x{size[1]}",
        "Model hash": record.weights,
        "Model": record.model,
        "Process": record.process,
        "Version": f"text2face {record.version}".strip(),
    }
    return parameters.write(record.prompt, record.seed, record.settings, others)


def _tell(text: str | None, expected: str) -> bool:
    """Whether two texts tell the same; older ones leave out options that came later."""
    if text is None or text == expected:
        return text is not None
    try:
        return parameters.read(text) == parameters.read(expected)
    except ArgumentError:
        return False
