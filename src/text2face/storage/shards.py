"""Shards of images: folders or tar files that grow image by image and are finished in one step.

While a shard grows, each finished image has a line in `NAME.part`; `NAME.jsonl` appears when it is
whole. The folder may be shared with others: what they plant there is neither followed nor trusted.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

from text2face.errors import OutputError
from text2face.storage.folders import atomic_file, make_folder

__all__ = ["FolderShard", "Shard", "TarShard", "open_own"]

_WRITER_FACTS: Final = ("file", "end")
"""What the writer adds to the facts of an image."""


def open_own(path: Path) -> IO[bytes]:
    """Open a file to read and to append to; it is made if it is missing.

    Raises:
        OutputError: A link, or anything but a plain file of one name, stands there.
        OSError: It cannot be opened.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
        flags |= getattr(os, name, 0)
    if path.is_symlink():
        raise _not_a_plain_file(path)
    descriptor = os.open(path, flags, 0o666)
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode) or about.st_nlink > 1:
        os.close(descriptor)
        raise _not_a_plain_file(path)
    return os.fdopen(descriptor, "r+b")


def _not_a_plain_file(path: Path) -> OutputError:
    return OutputError(
        f"cannot write {path}: it is a link or no plain file; expected a file of this command's "
        "own; remove it, or choose another folder"
    )


class Shard:
    """A run of images, `first` to `last` - 1, and what is said of each."""

    def __init__(self, base: Path, first: int, last: int) -> None:
        """Nothing is opened yet.

        Args:
            base: The folder's or tar file's path without a suffix.
            first: The number of the first image.
            last: The number after the last image's.
        """
        self.base, self.first, self.last = base, first, last
        self.manifest = base.with_suffix(".jsonl")
        self._part = base.with_suffix(".part")
        self._lines: IO[bytes] | None = None

    def facts(self) -> list[dict[str, Any]] | None:
        """What the manifest says of each image; None if it is missing or damaged."""
        try:
            lines = _read(self.manifest)
        except FileNotFoundError:
            return None
        found = [_parse(line) for line in lines]
        whole = [
            one for i, one in enumerate(found, self.first) if one and self._is_complete(one, i)
        ]
        return whole if len(whole) == len(found) == self.last - self.first else None

    def resume(self) -> int:
        """Take up a shard that is not whole; the number of its images that are finished.

        From the first line that is damaged, or whose image is, all is made again.
        """
        if self.manifest.exists():  # damaged
            self._reopen()
        kept: list[bytes] = []
        end = 0
        lines = _read(self._part) if self._part.exists() else []
        for index, line in enumerate(lines, self.first):
            facts = _parse(line)
            if (
                facts is None
                or not self._is_complete(facts, index)
                or not self._has_image(facts, end)
            ):
                break
            kept.append(line)
            end = facts.get("end", 0)
        with atomic_file(self._part) as file:
            file.writelines(kept)
        self._cut(end)
        return len(kept)

    def __enter__(self) -> Shard:
        """Open what grows."""
        self._lines = open_own(self._part)
        return self

    def __exit__(self, *error: object) -> None:
        """Close it."""
        if self._lines is not None:
            self._lines.close()

    def add(self, name: str, content: bytes, facts: dict[str, Any]) -> None:
        """Write one image, then its line."""
        if self._lines is None:
            raise RuntimeError("the shard is not open")
        placed = {**facts, **self._store(name, content, facts)}
        self._lines.write((json.dumps(placed, ensure_ascii=False) + "\n").encode())
        self._lines.flush()

    def finish(self) -> None:
        """All images are there: the manifest appears."""
        os.replace(self._part, self.manifest)

    def images(self) -> Iterator[bytes]:
        """The PNG of each image of a finished shard.

        Raises:
            OutputError: One is missing or damaged.
        """
        end = 0
        for facts in self.facts() or ():
            try:
                content = self._content(facts, end)
            except (OSError, tarfile.TarError, ValueError):
                content = b""
            if _digest(content) != facts["sha256"]:
                raise OutputError(
                    f"image {facts['index']} of {self.base} is missing or damaged; expected it as "
                    f"it was drawn; delete {self.manifest} to draw what is missing again"
                )
            yield content
            end = facts.get("end", 0)

    def _is_complete(self, facts: Mapping[str, Any], index: int) -> bool:
        """Whether all is said of an image that this kind of shard says."""
        return (
            facts.get("index") == index
            and isinstance(facts.get("sha256"), str)
            and isinstance(facts.get("file"), str)
        )

    def _content(self, facts: Mapping[str, Any], start: int) -> bytes:
        raise NotImplementedError

    def _has_image(self, facts: Mapping[str, Any], start: int) -> bool:
        raise NotImplementedError

    def _store(self, name: str, content: bytes, facts: Mapping[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    def _cut(self, end: int) -> None:
        """Drop what was written after the last line that is kept."""

    def _reopen(self) -> None:
        os.replace(self.manifest, self._part)


class FolderShard(Shard):
    """shard-00000/000000000.png."""

    def _content(self, facts: Mapping[str, Any], start: int) -> bytes:
        return (self.base / f"{facts['index']:09d}.png").read_bytes()

    def _has_image(self, facts: Mapping[str, Any], start: int) -> bool:
        name = f"{facts['index']:09d}.png"
        if facts["file"] != f"{self.base.name}/{name}" or self.base.is_symlink():
            return False
        path = self.base / name
        with suppress(OSError):
            return path.is_file() and _digest(path.read_bytes()) == facts["sha256"]
        return False

    def _store(self, name: str, content: bytes, facts: Mapping[str, Any]) -> dict[str, Any]:
        if self.base.is_symlink():
            raise _not_a_plain_file(self.base)
        make_folder(self.base)
        path = self.base / f"{name}.png"
        with atomic_file(path) as file:
            file.write(content)
        return {"file": f"{self.base.name}/{path.name}"}


class TarShard(Shard):
    """shard-00000.tar, as WebDataset reads it; the same bytes whenever it is written."""

    def __init__(self, base: Path, first: int, last: int) -> None:
        """As `Shard`."""
        super().__init__(base, first, last)
        self._growing = base.with_suffix(".tar.part")
        self._whole = base.with_suffix(".tar")
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Shard:
        """Open what grows."""
        self._file = open_own(self._growing)
        return super().__enter__()

    def __exit__(self, *error: object) -> None:
        """Close it."""
        super().__exit__(*error)
        if self._file is not None:
            self._file.close()

    def finish(self) -> None:
        """All images are there: the tar file appears, then the manifest."""
        with open_own(self._growing) as file:
            file.write(bytes(2 * tarfile.BLOCKSIZE))
        os.replace(self._growing, self._whole)
        super().finish()

    def _is_complete(self, facts: Mapping[str, Any], index: int) -> bool:
        return super()._is_complete(facts, index) and isinstance(facts.get("end"), int)

    def _content(self, facts: Mapping[str, Any], start: int) -> bytes:
        with self._whole.open("rb") as file:
            return _first_entry(file, start)

    def _has_image(self, facts: Mapping[str, Any], start: int) -> bool:
        if not self._growing.is_file():
            return False
        try:
            with self._growing.open("rb") as file:
                content = _first_entry(file, start)
                file.seek(start)
                held = file.read(max(0, facts["end"] - start))
        except (OSError, tarfile.TarError, ValueError):
            return False
        own_facts = {name: value for name, value in facts.items() if name not in _WRITER_FACTS}
        return _digest(content) == facts["sha256"] and held == _entries(
            f"{facts['index']:09d}", content, own_facts
        )

    def _store(self, name: str, content: bytes, facts: Mapping[str, Any]) -> dict[str, Any]:
        if self._file is None:
            raise RuntimeError("the shard is not open")
        self._file.write(_entries(name, content, facts))
        self._file.flush()
        return {"file": self._whole.name, "end": self._file.seek(0, io.SEEK_END)}

    def _cut(self, end: int) -> None:
        with open_own(self._growing) as file:
            file.truncate(end)

    def _reopen(self) -> None:
        with suppress(FileNotFoundError):
            os.replace(self._whole, self._growing)
        super()._reopen()


def _entries(name: str, content: bytes, facts: Mapping[str, Any]) -> bytes:
    """An image and what is said of it, as members of a tar file."""
    own_facts = json.dumps(facts, ensure_ascii=False, sort_keys=True).encode()
    parts = []
    for suffix, data in (("png", content), ("json", own_facts)):
        entry = tarfile.TarInfo(f"{name}.{suffix}")
        entry.size = len(data)
        padding = -len(data) % tarfile.BLOCKSIZE
        parts += [entry.tobuf(tarfile.USTAR_FORMAT), data, bytes(padding)]
    return b"".join(parts)


def _first_entry(file: IO[bytes], start: int) -> bytes:
    """The content of the member that begins at a place of a tar file."""
    file.seek(start)
    header = tarfile.TarInfo.frombuf(file.read(tarfile.BLOCKSIZE), "utf-8", "strict")
    return file.read(header.size)


def _read(path: Path) -> list[bytes]:
    if not path.is_file() and path.exists():
        raise _not_a_plain_file(path)
    return path.read_bytes().splitlines(keepends=True)


def _parse(line: bytes) -> dict[str, Any] | None:
    """The JSON object of a whole line."""
    try:
        content = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
