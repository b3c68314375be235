"""What may stand in a request of the page: fields of known types, and pictures of known formats.

Every request passes here before anything is done for it. Nothing of a visit is kept on the server:
what is to be changed comes with the request, as the file that the page has got for it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Final, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field

from text2face.errors import ArgumentError, one_line
from text2face.pictures import open_image
from text2face.prompts import MAX_CHARACTERS
from text2face.serving.errors import Refusal
from text2face.serving.forms import Upload, checked, read_form, read_json_body, separate
from text2face.settings import MAX_SEED

__all__ = [
    "MAX_PIXELS",
    "MOST",
    "Around",
    "Blend",
    "Change",
    "Draw",
    "More",
    "Nothing",
    "Slide",
    "Words",
    "read",
    "read_files",
]

MAX_PIXELS: Final = 2**24
MOST: Final = 12
"""Faces at once."""

_Text = Annotated[str, Field(max_length=4 * MAX_CHARACTERS)]
_Seed = Annotated[int, Field(ge=0, le=MAX_SEED, strict=True)]
_Count = Annotated[int, Field(ge=1, le=MOST, strict=True)]
_Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class Nothing(BaseModel):
    """No fields."""

    model_config = ConfigDict(extra="forbid")


class Words(Nothing):
    """Words that are being typed."""

    prompt: _Text


class Draw(Nothing):
    """What faces to draw."""

    prompt: _Text
    seed: _Seed | None = None
    """None = one that is drawn."""
    count: _Count = 4
    best: bool = False
    """Draw four for each, and keep the nearest to the words."""
    settings: Annotated[dict[str, str | int | float | bool | None], Field(max_length=64)] = {}


class Change(Nothing):
    """How to change a face."""

    words: _Text
    strength: Annotated[_Finite, Field(ge=-2, le=2)] = 1.0


class More(Nothing):
    """How many like a face."""

    count: _Count = 4


class Blend(Nothing):
    """How much of the second face."""

    share: Annotated[_Finite, Field(ge=0, le=1)] = 0.5


class Slide(Nothing):
    """Where sliders shall stand, by their names."""

    values: Annotated[dict[str, _Finite], Field(min_length=1, max_length=16)]


class Around(Nothing):
    """On which map to look around, and how far."""

    seed: _Seed
    amount: Annotated[_Finite, Field(gt=0, le=0.5)] = 0.3


_Ask = TypeVar("_Ask", bound=BaseModel)


async def read(request: Request, kind: type[_Ask]) -> _Ask:
    """The fields of a request that is a JSON object.

    Raises:
        Refusal: It is none, or has another field.
        RequestValidationError: A value is wrong.
    """
    return checked(kind, read_json_body(request.headers, await request.body()))


async def read_files(
    request: Request, kind: type[_Ask], names: Sequence[str]
) -> tuple[_Ask, list[bytes]]:
    """The fields and pictures of a form; the fields are one JSON object in the field "ask".

    Raises:
        Refusal: A field or a picture is missing, is another, or comes twice; a picture is of
            no known format or too large.
        RequestValidationError: A value is wrong.
    """
    fields, uploads = separate(await read_form(request.headers, await request.body()), names)
    given = [name for name, _ in uploads]
    if sorted(given) != sorted(names):
        raise _wrong(f"got the pictures {given}, expected {list(names)}", "files")
    if set(fields) - {"ask"}:
        raise _wrong(f"got the fields {sorted(fields)}, expected ask", "ask")
    found: dict[str, Upload] = dict(uploads)
    for name in names:
        try:
            open_image(found[name].content, "the picture", max_pixels=MAX_PIXELS)
        except ArgumentError as error:
            raise _wrong(str(error), name) from None
    return checked(kind, _object(fields.get("ask", "{}"))), [found[name].content for name in names]


def _object(text: str) -> dict[str, Any]:
    try:
        loaded = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        loaded = None
    if not isinstance(loaded, dict):
        raise _wrong("ask: got no JSON object, expected {…}", "ask")
    return loaded


def _no_number(name: str) -> float:
    raise ValueError(name)


def _wrong(message: str, param: str) -> Refusal:
    return Refusal(400, one_line(message), code="invalid_value", param=param)
