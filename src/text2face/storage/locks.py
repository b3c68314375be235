"""Locks: one process at a time writes to a folder, or to a part of it."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from text2face.errors import OutputError
from text2face.storage.folders import cannot_write, new_folder

__all__ = ["hold"]

_NO_LOCKS: Final = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
_LOG: Final = logging.getLogger("text2face")


@contextmanager
def hold(folder: Path, part: str = "text2face", *, wait: float = 0) -> Iterator[None]:
    """Hold a folder, or a part of it, so that no other process writes there meanwhile.

    The system lets go of it when the process ends, however it ends. To hold it once more in the
    same thread is allowed. Where the file system has no locks, one line says so. A folder that is
    made here and is still empty when the work fails is removed.

    Args:
        folder: Made if it is missing.
        part: What of it; parts are held independently.
        wait: Seconds to wait for another process.

    Raises:
        OutputError: Another process holds it, or it cannot be written.
    """
    with new_folder(folder), _locked(folder, part, wait):
        yield


@contextmanager
def _locked(folder: Path, part: str, wait: float) -> Iterator[None]:
    from filelock import FileLock, Timeout

    path = folder.resolve() / f".{part}.lock"
    lock = FileLock(path, is_singleton=True)
    try:
        lock.acquire(timeout=wait, poll_interval=0.05)
    except Timeout:
        what = folder if part == "text2face" else folder / part
        raise OutputError(
            f"{what} is being written by another process; expected one at a time; wait until that "
            "one has ended, or choose another folder"
        ) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise OutputError(cannot_write(path, error)) from None
        _LOG.warning(
            "text2face: the file system of %s has no locks; let no two commands write there", folder
        )
        yield
        return
    try:
        yield
    finally:
        if lock.lock_counter == 1:
            with suppress(OSError):
                path.unlink()  # while it is held: who waits for it sees that, and makes another
        lock.release()
