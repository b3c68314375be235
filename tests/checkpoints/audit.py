"""Watches what the interpreter does while a file is read: imports, calls of the system, code."""

from __future__ import annotations

import encodings.cp437  # noqa: F401  the names in zip files; imported late otherwise
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_HARMLESS = {"open", "mmap.__new__", "builtins.id"}  # what reading a file takes
_seen: list[str] | None = None


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if _seen is not None and event not in _HARMLESS:
        _seen.append(f"{event} {arguments!r:.200}")


sys.addaudithook(_hook)


@contextmanager
def audited() -> Iterator[None]:
    """Fail if anything happens inside that reading a file does not take."""
    global _seen
    _seen = []
    try:
        yield
    finally:
        seen, _seen = _seen, None
        if seen:
            raise AssertionError(f"reading the file did {seen[:5]}")
