"""Reading and checking the provenance of an image file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from PIL import ExifTags, Image

from text2face.errors import ArgumentError, Text2FaceError
from text2face.pictures import (
    BROKEN,
    MIME,
    image_format,
    load_pixels,
    open_image,
    read_file,
    to_rgb,
)
from text2face.provenance import pixels, xmp
from text2face.provenance.record import Record, parameters_of, record_from_json, same_parameters
from text2face.provenance.writing import CHUNK, CODED, XMP_CHUNK
from text2face.provenance.xmp import DIGITAL_SOURCE_TYPE

UNKNOWN_PIXELS: Final = "cannot tell, no sum is kept"
_PIXELS: Final = {True: "as recorded", False: "changed", None: UNKNOWN_PIXELS}
_EDITED: Final = ("edited", "model", "weights", "version")
__all__ = ["UNKNOWN_PIXELS", "Report", "embedded_json", "inspect", "read"]


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
    pixels: str
    """Whether they are those that the record speaks of: "as recorded", "changed", or that it
    is not known, for files before version 0.2."""
    credentials: str | None
    """What became of checking the C2PA signature; None if there is none."""
    problems: list[str]
    """What does not hold, in one line each; empty if all does."""


def read(source: Path | bytes) -> list[Record]:
    """Read the record of an image, or the records of a contact sheet.

    Raises:
        ArgumentError: The file is missing, no image, says nothing about its making, was edited, or
            is no longer the picture that its record speaks of.
    """
    found = _open(source)
    if found.damage:
        raise found.damage
    if "edited" in found.facts:
        raise ArgumentError(
            f"{found.name} was edited, and words and seed alone do not make it; expected a picture "
            "as it was drawn; `text2face edit` goes on from this one"
        )
    if found.same() is False:
        raise ArgumentError(
            f"{found.name} is not the picture that its record speaks of, another program changed "
            "it; expected a picture as it was drawn; `text2face edit` takes any picture of a face"
        )
    return _records(found.facts, found.name)


def embedded_json(image: Image.Image) -> dict[str, Any] | None:
    """The JSON object that text2face wrote into a picture, as Pillow opened it; None = none."""
    record = _texts(image).record
    try:
        facts = json.loads(record) if record else None
    except (ValueError, RecursionError):
        return None
    return facts if isinstance(facts, dict) else None


def inspect(source: Path | bytes) -> Report:
    """Read everything that a file says about its making, and check it.

    Raises:
        ArgumentError: The file is missing, no image, or says nothing about its making.
    """
    from text2face.provenance import c2pa

    found = _open(source)
    records = [] if "edited" in found.facts else _records(found.facts, found.name)
    problems = []
    if found.texts.source_type != DIGITAL_SOURCE_TYPE:
        problems.append("the IPTC mark of generated images is missing")
    if len(records) == 1 and "contact_sheet" not in found.facts:
        if not same_parameters(found.texts.parameters, parameters_of(records[0], found.size)):
            problems.append("the parameters are not those of the record or of the image's size")
    elif found.texts.parameters is None:
        problems.append("the parameters are missing")
    if found.damage:
        problems.append("the pixels are damaged or cut off")
    elif found.same() is False:
        problems.append(
            "the pixels are not those that the record speaks of: another program changed them"
        )
    kind = image_format(found.content) or "png"
    verdict = c2pa.verify(found.content, MIME.get(kind, f"image/{kind}"))
    if verdict and not verdict[0]:
        problems.append(f"the Content Credentials are {verdict[1]}")
    return Report(
        records=records,
        edited=None if records else {k: v for k, v in found.facts.items() if k in _EDITED},
        parameters=found.texts.parameters,
        source_type=found.texts.source_type,
        pixels=_PIXELS[found.same()],
        credentials=verdict[1] if verdict else None,
        problems=problems,
    )


@dataclass(frozen=True)
class _Texts:
    """What was found in a file."""

    parameters: str | None
    record: str | None
    source_type: str | None


@dataclass(frozen=True)
class _Found:
    """A file that says something about its making."""

    name: str
    content: bytes
    texts: _Texts
    facts: dict[str, Any]
    size: tuple[int, int]
    """As stored."""
    picture: Image.Image | None
    """RGB and upright; None if it is damaged."""
    damage: ArgumentError | None

    def same(self) -> bool | None:
        """Whether the pixels are those that the record speaks of; None = not known."""
        return pixels.matches(self.facts.get("pixels"), self.picture) if self.picture else False


def _open(source: Path | bytes) -> _Found:
    if isinstance(source, bytes):
        content, name = source, "the image"
    else:
        content, name = read_file(source), str(source)
    image = open_image(content, name, moving=True)
    picture, damage = None, None
    try:
        # Some programs write texts after the pixels, where only who reads these comes to them.
        load_pixels(image, name)
        picture = to_rgb(image, name)
    except ArgumentError as error:
        damage = error
    texts = _texts(image)
    if image.format == "GIF":
        kind, record = xmp.read(xmp.from_gif(content))
        comment = image.info.get("comment")
        parameters = comment.decode("utf-8", "replace") if isinstance(comment, bytes) else None
        texts = _Texts(parameters, record, kind)
    if texts.record is None and damage is not None:
        raise damage
    return _Found(name, content, texts, _parse_record(texts, name), image.size, picture, damage)


def _texts(image: Image.Image) -> _Texts:
    if image.format == "PNG" or CHUNK in image.info:  # a copy has no format
        chunks = {key: value for key, value in image.info.items() if isinstance(value, str)}
        kind, _ = xmp.read(chunks.get(XMP_CHUNK, ""))
        return _Texts(chunks.get("parameters"), chunks.get(CHUNK), kind)
    kind, record = xmp.read(image.info.get("xmp", b""))
    try:
        comment = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment)
    except BROKEN:
        comment = None
    parameters = None
    if isinstance(comment, bytes) and comment.startswith(CODED):
        parameters = comment[len(CODED) :].decode("utf-16-be", "replace")
    return _Texts(parameters, record, kind)


def _parse_record(texts: _Texts, name: str) -> dict[str, Any]:
    """The JSON object that text2face wrote."""
    if texts.record is None:
        raise ArgumentError(
            f"{name} says nothing about its making; expected an image that text2face made "
            "(other programs strip this when they save)"
        )
    try:
        facts = json.loads(texts.record)
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        raise _damaged(name)
    return facts


def _records(facts: Mapping[str, Any], name: str) -> list[Record]:
    try:
        return [record_from_json(values) for values in facts.get("contact_sheet", [facts])]
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, Text2FaceError):
        raise _damaged(name) from None


def _damaged(name: str) -> ArgumentError:
    return ArgumentError(
        f"the text2face record of {name} is damaged or of another version; expected the JSON that "
        "text2face wrote"
    )
