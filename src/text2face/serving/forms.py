"""Forms with files, `multipart/form-data`: read whole, in a thread, and within limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from text2face.serving.errors import Refusal

__all__ = ["Upload", "read_form"]

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
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise Refusal(
            400,
            f"the body is {kind[:60] or 'of no type'!r}, expected multipart/form-data",
            code="invalid_value",
        )
    # An adversary's body costs the parser a second, for which nobody else need wait.
    return await asyncio.to_thread(_parse, headers, body)


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
