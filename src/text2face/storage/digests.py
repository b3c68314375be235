"""The SHA-256 of large files that seldom change, kept from one process to the next.

A model of 750 MB takes 0.4 s to read, at every start, only to know its name. What is kept is
believed only while path, size, times and inode are the same; and it is for names only: what
protects a download reads the file.
"""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from text2face.errors import OutputError
from text2face.storage.folders import atomic_file, make_folder

__all__ = ["kept_digest"]

_LARGE: Final = 64 * 2**20
"""Smaller files are read in no time."""
_SETTLED: Final = 2.0
"""Seconds since the last change, before which another may not move the time of a file."""
_MOST: Final = 256


def kept_digest(path: Path, store: Path | None) -> str:
    """The SHA-256 of a file, in hexadecimal digits.

    Args:
        path: The file.
        store: A JSON file for what is known; if there is none, or it cannot be read or written,
            nothing is kept.
    """
    state = path.stat()
    if store is None or state.st_size < _LARGE:
        return _digest(path)
    key = str(path.resolve())
    facts = [state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino]
    known = _read(store)
    match known.get(key):
        case [*held, str(digest)] if held == facts and len(digest) == 64:
            return digest
    digest = _digest(path)
    after = path.stat()
    changed = [after.st_size, after.st_mtime_ns, after.st_ctime_ns, after.st_ino] != facts
    if changed or time.time() - max(state.st_mtime, state.st_ctime) < _SETTLED:
        return digest
    known.pop(key, None)
    kept = dict([*known.items(), (key, [*facts, digest])][-_MOST:])
    with suppress(OSError, OutputError):
        make_folder(store.parent)
        with atomic_file(store) as file:
            file.write(json.dumps(kept).encode())
    return digest


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(store: Path) -> dict[str, Any]:
    try:
        known = json.loads(store.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return known if isinstance(known, dict) else {}
