"""The folder of the page: what visitors give and what was made for them, and nothing else."""

from __future__ import annotations

import functools
import os
import secrets
import shutil
import tempfile
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Final

from text2face.pictures import image_format, open_image

__all__ = ["PageFolder", "close_page_folder", "page_folder"]

MAX_UPLOAD: Final = 8 * 2**20
MAX_PIXELS: Final = 2**24
_MAX_TOTAL: Final = 2**28


class PageFolder:
    """A private folder (mode 0700) that is deleted at the end of the process."""

    def __init__(self, *, most: int = _MAX_TOTAL) -> None:
        """Make it.

        Args:
            most: Bytes of all uploads together; the oldest go first.
        """
        self.most = most
        self._folder = tempfile.TemporaryDirectory(
            prefix="text2face-page-", ignore_cleanup_errors=True
        )
        self.root = Path(self._folder.name).resolve()
        self.uploads = self.root / "uploads"
        self.made = self.root / "made"
        self.uploads.mkdir(mode=0o700)
        self.made.mkdir(mode=0o700)
        self._kept: OrderedDict[Path, int] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, content: bytes) -> Path:
        """Keep an upload.

        Raises:
            ArgumentError: It is no picture that can be read, or too large.
        """
        open_image(content, "the image", max_pixels=MAX_PIXELS)
        with self._lock:
            while self._kept and sum(self._kept.values()) + len(content) > self.most:
                oldest, _ = self._kept.popitem(last=False)
                shutil.rmtree(oldest.parent, ignore_errors=True)
            folder = self.uploads / secrets.token_urlsafe(16)
            folder.mkdir(mode=0o700)
            path = folder / f"image.{image_format(content)}"
            path.write_bytes(content)
            self._kept[path] = len(content)
        return path

    def save(self, content: bytes, name: str) -> Path:
        """Keep a file that was made here, to download under a name; `discard` it later."""
        folder = self.made / secrets.token_urlsafe(16)
        folder.mkdir(mode=0o700)
        path = folder / name
        path.write_bytes(content)
        return path

    def uploaded(self, path: object) -> Path | None:
        """The upload that a visitor names, or None if it is anything else."""
        with self._lock:
            return Path(path) if isinstance(path, str) and Path(path) in self._kept else None

    def holds(self, path: str) -> bool:
        """Whether a file that a visitor asks for lies in this folder, links followed."""
        try:
            real = Path(os.path.realpath(path))
            return real.is_file() and real.is_relative_to(self.root)
        except (OSError, ValueError):
            return False

    @staticmethod
    def discard(path: Path) -> None:
        """Delete a file that was made here."""
        shutil.rmtree(path.parent, ignore_errors=True)

    def close(self) -> None:
        """Delete everything."""
        self._folder.cleanup()


@functools.cache
def page_folder() -> PageFolder:
    """The folder of this process: Gradio knows one at a time, by an environment variable."""
    folder = PageFolder()
    os.environ["GRADIO_TEMP_DIR"] = str(folder.root)
    return folder


def close_page_folder() -> None:
    """Delete the folder of this process, if there is one."""
    if page_folder.cache_info().currsize:
        page_folder().close()
