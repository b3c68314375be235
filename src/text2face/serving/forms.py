"""Bodies: JSON, and forms with files. One mechanism for both: known fields, once each, checked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from text2face.errors import one_line, quoted
from text2face.serving.errors import Refusal

__all__ = ["Upload", "checked", "read_form", "read_json_body", "separate"]

Model = TypeVar("Model", bound=BaseModel)

_FIELDS: Final = 64
_FILES: Final = 4
_FIELD_BYTES: Final = 2**15
_CHUNK: Final = 2**16


@dataclass(frozen=True)
class Upload:
    """A file of a form, and the name that the sender gave it."""

    name: str
    content: bytes


class _Parser(MultiPartParser):
    spool_max_size = 2**26  # the body is in memory already and bounded: nothing goes to the disk


async def read_form(headers: Headers, body: bytes) -> list[tuple[str, str | Upload]]:
    """Read the fields and files of a form, in their order.

    Args:
        headers: Of the request.
        body: All of it.

    Raises:
        Refusal: It is no such form, is damaged, or has too many or too long fields.
    """
    _check_type(headers, "multipart/form-data")
    # A hostile body costs the parser a second, so it runs in a thread.
    return await asyncio.to_thread(_parse, headers, body)


def read_json_body(headers: Headers, body: bytes) -> dict[str, Any]:
    """Read a body that is one JSON object.

    Raises:
        Refusal: It is none, says that it is something else, or has a field twice.
    """
    _check_type(headers, "application/json")
    try:
        loaded = json.loads(body, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise Refusal(
            400, f"the body is no JSON: {one_line(error).lower()}", code="invalid_value"
        ) from None
    if not isinstance(loaded, dict):
        raise Refusal(400, "the body is no JSON object; expected {…}", code="invalid_value")
    return loaded


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The names and values of an object.

    Raises:
        Refusal: A name comes twice.
    """
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            shown = one_line(name[:200])
            message = f"{shown}: given twice, expected once"
            raise Refusal(400, message, code="invalid_value", param=shown)
        found[name] = value
    return found


def separate(
    form: Sequence[tuple[str, str | Upload]], files: Sequence[str]
) -> tuple[dict[str, str], list[tuple[str, Upload]]]:
    """The fields of a form, and its files in the fields that hold files.

    Raises:
        Refusal: A field comes twice, a file stands in a field of text, or text in that of a file.
    """
    fields: dict[str, str] = {}
    uploads: list[tuple[str, Upload]] = []
    for name, value in form:
        shown = one_line(name)
        if isinstance(value, Upload) != (name in files):
            got, expected = ("a file", "text") if isinstance(value, Upload) else ("text", "a file")
            if got == "a file":
                expected += f"; files are taken in {files[0]!r}"
            message = f"{shown}: got {got}, expected {expected}"
        elif isinstance(value, Upload):
            uploads.append((name, value))
            continue
        elif name in fields:
            message = f"{shown}: given twice, expected once"
        else:
            fields[name] = value
            continue
        raise Refusal(400, message, code="invalid_value", param=shown)
    return fields, uploads


def checked(model: type[Model], fields: Mapping[str, Any]) -> Model:
    """The fields as a model; one that the model does not have is refused first.

    Raises:
        Refusal: There is such a field.
        RequestValidationError: A value is wrong.
    """
    for name in fields:
        if name not in model.model_fields:
            shown = one_line(name[:200])
            raise Refusal(
                400, f"{shown}: there is no such field", code="unknown_parameter", param=shown
            )
    try:
        return model.model_validate(dict(fields))
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from None


def _check_type(headers: Headers, expected: str) -> None:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != expected:
        raise Refusal(
            400,
            f"the body is {quoted(kind) if kind else 'of no type'}, expected {expected}",
            code="invalid_value",
        )


def _parse(headers: Headers, body: bytes) -> list[tuple[str, str | Upload]]:
    async def pieces() -> AsyncGenerator[bytes, None]:
        for start in range(0, len(body), _CHUNK):
            yield body[start : start + _CHUNK]

    parser = _Parser(
        headers, pieces(), max_files=_FILES, max_fields=_FIELDS, max_part_size=_FIELD_BYTES
    )
    try:
        form = asyncio.run(parser.parse())
    except MultiPartException as error:
        message = error.message.rstrip(".")
        message = message[:1].lower() + message[1:]
        raise Refusal(
            400,
            f"the form cannot be read: {message}; expected at most {_FIELDS} fields of "
            f"{_FIELD_BYTES} bytes and {_FILES} files",
            code="invalid_value",
        ) from None
    found: list[tuple[str, str | Upload]] = []
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            found.append((name, Upload(value.filename or "", value.file.read())))
            value.file.close()
        else:
            found.append((name, value))
    return found
