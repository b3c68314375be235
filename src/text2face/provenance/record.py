"""The record of an image: all it takes to draw it again, as JSON and as the text of other tools."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from text2face.checks import check_count
from text2face.errors import ArgumentError
from text2face.prompts import Template
from text2face.provenance import parameters
from text2face.settings import Settings, check_seed

if TYPE_CHECKING:
    from text2face.faces import Face
    from text2face.model import FaceModel

__all__ = ["Record", "make_record", "parameters_of", "record_from_json", "same_parameters"]

_BESIDE: Final = ("pixels",)
"""What stands in the JSON object of a file and is no part of the record."""
_DTYPES: Final = ("float32", "float16", "bfloat16")


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
    batch: int = 1
    """How many images were drawn at once: more than 1 may change the last bits of each."""
    version: str = ""
    """The version of text2face that drew it."""
    score: float | None = None
    """The cosine between image and prompt."""
    process: str | None = None
    """What was done to the face after it was drawn from words, if anything: it cannot be drawn
    again from words alone."""
    template: Template | None = None
    """What the prompt and the negative prompt came from, if they had choices or styles."""
    drawn_size: int | None = None
    """The side in pixels that it was drawn with, if the file's is another one: it was enlarged,
    which adds no detail, or made smaller."""

    def at(self, side: int, *, drawn: int) -> Record:
        """The record of a file whose side is `side` pixels, of a picture drawn with `drawn`."""
        return self if side == drawn else replace(self, drawn_size=drawn)


def make_record(
    pipe: FaceModel, settings: Settings, face: Face, *, process: str | None = None
) -> Record:
    """The record of a face that `pipe` has drawn in this thread."""
    import torch

    import text2face

    if face.template:  # what came out draws the same face without lists and styles
        settings = replace(settings, negative_prompt=face.negative_prompt, styles=None)
    return Record(
        prompt=face.prompt,
        seed=face.seed,
        settings=settings,
        model=pipe.config.name,
        weights=pipe.weights,
        dtype=str(pipe.dtype).removeprefix("torch."),
        device=pipe.device.type,
        threads=torch.get_num_threads(),
        batch=face.batch,
        version=text2face.__version__,
        score=face.score,
        process=process,
        template=face.template,
    )


def record_from_json(values: Mapping[str, Any]) -> Record:
    """A record from its JSON object, in which what stands beside the record is left out.

    Raises:
        ValueError: A value is out of range.
        TypeError: A value is of another type, missing or unknown.
        KeyError: There are no settings.
    """
    known = {name: value for name, value in values.items() if name not in _BESIDE}
    template = values.get("template")
    if template is not None:
        template = Template(**template)
        told = (template.prompt, template.negative_prompt or "", template.styles or "")
        if not all(isinstance(text, str) for text in told):
            raise TypeError("a text is none")
    known |= {"settings": Settings(**values["settings"]), "template": template}
    record = Record(**known)
    texts = (record.prompt, record.model, record.dtype, record.device, record.version)
    maybe = (record.weights, record.process)
    score = record.score
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a text is none")
    if not all(isinstance(text, str | None) for text in maybe):
        raise TypeError("a text is none")
    if score is not None and (isinstance(score, bool) or not math.isfinite(float(score))):
        raise TypeError("the score is no number")
    if record.dtype not in _DTYPES:
        raise ValueError(f"an unknown number type {record.dtype[:20]!r}")
    check_seed(record.seed)
    check_count("threads", record.threads, most=1024)
    check_count("batch", record.batch)
    if record.drawn_size is not None:
        check_count("drawn_size", record.drawn_size)
    return record


def parameters_of(record: Record, size: tuple[int, int]) -> str:
    """The text that AUTOMATIC1111's web UI and its readers expect."""
    others = {
        "Size": f"{size[0]}x{size[1]}",
        "Drawn size": record.drawn_size and f"{record.drawn_size}x{record.drawn_size}",
        "Template": record.template and record.template.prompt,
        "Negative Template": record.template and record.template.negative_prompt,
        "Model hash": record.weights,
        "Model": record.model,
        "Process": record.process,
        "Version": f"text2face {record.version}".strip(),
    }
    return parameters.write(record.prompt, record.seed, record.settings, others)


def same_parameters(text: str | None, expected: str) -> bool:
    """Whether two texts tell the same; older ones leave out options that came later."""
    if text is None or text == expected:
        return text is not None
    try:
        return parameters.read(text) == parameters.read(expected)
    except ArgumentError:
        return False
