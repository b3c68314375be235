"""What an image says about its own making, written into its PNG and read back.

Three text chunks:

- `parameters`: one text in the manner of the AUTOMATIC1111 web UI, which other tools show;
- `text2face`: one JSON object with all it takes to draw the image again;
- `XML:com.adobe.xmp`: an XMP packet with the IPTC property DigitalSourceType =
  trainedAlgorithmicMedia, the machine-readable mark of an AI-generated image (EU AI Act, art. 50).
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from text2face._folders import atomic_file
from text2face.errors import ArgumentError
from text2face.settings import Settings, check_count, check_seed

__all__ = [
    "DIGITAL_SOURCE_TYPE",
    "Record",
    "encode",
    "read",
    "read_facts",
    "write",
    "write_content",
    "write_sheet",
    "xmp",
]

DIGITAL_SOURCE_TYPE: Final = (
    "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
)
_CHUNK: Final = "text2face"
_XMP: Final = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    Iptc4xmpExt:DigitalSourceType="{DIGITAL_SOURCE_TYPE}"
    xmp:CreatorTool="text2face"/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""


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


def write(path: Path, image: Image.Image, record: Record) -> None:
    """Save an image with its record, whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    write_content(path, image, _parameters(record, image.size), asdict(record))


def write_sheet(path: Path, image: Image.Image, records: Sequence[Record]) -> None:
    """Save a contact sheet with the records of its faces, whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    prompts = "; ".join(dict.fromkeys(record.prompt for record in records))
    write_content(path, image, prompts, {"contact_sheet": [asdict(record) for record in records]})


def read(path: Path) -> list[Record]:
    """Read the record of an image, or the records of a contact sheet.

    Raises:
        ArgumentError: The file is missing, no PNG, says nothing about its making, or was edited.
    """
    content = _content(path)
    if "edited" in content:
        raise ArgumentError(
            f"{path} was edited, and words and seed alone do not make it; expected a picture as it "
            "was drawn; `text2face edit` goes on from this one"
        )
    return _records(path, content)


def read_facts(path: Path) -> list[dict[str, Any]]:
    """What an image says about its making: a record for each face, or what was done to edit it.

    Raises:
        ArgumentError: The file is missing, no PNG, or says nothing about its making.
    """
    content = _content(path)
    if "edited" in content:
        return [{name: value for name, value in content.items() if name != "latent"}]
    return [asdict(record) for record in _records(path, content)]


def _content(path: Path) -> dict[str, Any]:
    try:
        with Image.open(path, formats=["PNG"]) as image:
            text = getattr(image, "text", {}).get(_CHUNK)
    except (OSError, ValueError, SyntaxError) as error:
        why = getattr(error, "strerror", None) or "not a whole PNG image"
        raise ArgumentError(
            f"cannot read {path}: {why.lower()}; expected a PNG that text2face made"
        ) from None
    if text is None:
        raise ArgumentError(
            f"{path} says nothing about its making; expected a PNG that text2face made "
            "(other programs strip this when they save)"
        )
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise _damaged(path)
    return content


def _records(path: Path, content: Mapping[str, Any]) -> list[Record]:
    try:
        if "contact_sheet" in content:
            return [_record(values) for values in content["contact_sheet"]]
        return [_record(content)]
    except (ValueError, TypeError, KeyError, AttributeError):
        raise _damaged(path) from None


def _damaged(path: Path) -> ArgumentError:
    return ArgumentError(
        f"the text2face chunk of {path} is damaged or of another version; expected the JSON that "
        "text2face wrote"
    )


def _record(values: Mapping[str, Any]) -> Record:
    record = Record(**{**values, "settings": Settings(**values["settings"])})
    if not isinstance(record.prompt, str):
        raise TypeError
    check_seed(record.seed)
    check_count("threads", record.threads, most=1024)
    return record


def _parameters(record: Record, size: tuple[int, int]) -> str:
    """The text that AUTOMATIC1111's web UI and its readers expect."""
    settings = record.settings
    lines = [record.prompt]
    if settings.negative_prompt is not None:
        lines.append(f"Negative prompt: {settings.negative_prompt}")
    facts: dict[str, object] = {
        "Steps": 1,
        "Sampler": settings.condition,
        "Seed": record.seed,
        "Size": f"{size[0]}x{size[1]}",
        "Model hash": record.weights,
        "Model": record.model,
        "Truncation": settings.truncation,
        "Truncation cutoff": settings.truncation_cutoff,
        "Diversity": settings.diversity,
        "Shortlist": settings.shortlist,
        "Noise mode": settings.noise_mode,
        "Version": f"text2face {record.version}".strip(),
    }
    lines.append(", ".join(f"{key}: {value}" for key, value in facts.items() if value is not None))
    return "\n".join(lines)


def xmp() -> str:
    """The XMP packet that marks a picture as made by an algorithm."""
    return _XMP


def write_content(
    path: Path, image: Image.Image, parameters: str, content: Mapping[str, Any]
) -> None:
    """Save an image that says anything else about its making, whole or not at all.

    Args:
        path: A PNG.
        image: The picture.
        parameters: The text that other tools show.
        content: JSON values.

    Raises:
        OutputError: It cannot be written.
    """
    with atomic_file(path) as file:
        file.write(_png(image, parameters, content))


def encode(image: Image.Image, record: Record) -> bytes:
    """The PNG of an image with its record, as `write` writes it."""
    return _png(image, _parameters(record, image.size), asdict(record))


def _png(image: Image.Image, parameters: str, content: Mapping[str, Any]) -> bytes:
    info = PngInfo()
    info.add_itxt("parameters", parameters)
    info.add_itxt(_CHUNK, json.dumps(content))
    info.add_itxt("XML:com.adobe.xmp", _XMP)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", pnginfo=info)
    return buffer.getvalue()
