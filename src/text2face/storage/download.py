"""Downloads: resumed where they stopped, whole or not there, and the same file ever after."""

from __future__ import annotations

import hashlib
import http.client
import os
import ssl
from contextlib import suppress
from pathlib import Path
from typing import IO, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from text2face.errors import CheckpointError, OutputError
from text2face.storage.folders import cannot_write, make_folder

_CHUNK: Final = 1 << 20
_TIMEOUT: Final = 30.0
"""Seconds without a byte."""
_NETWORK: Final = (
    URLError,
    TimeoutError,
    ConnectionError,
    ssl.SSLError,
    http.client.HTTPException,
)


def fetch(url: str, target: Path, *, progress: bool = False, sha256: str = "") -> None:
    """Download a file, unless it is there, and hold it against its pin.

    A download that stops leaves `TARGET.part`, and the next one goes on from there if the server's
    file is still the same. Only one process downloads a file at a time.

    Args:
        url: Where from.
        target: Where to; its folder is made.
        progress: Show a bar on stderr, if that is a terminal.
        sha256: Its pin, where that is published; "" = the first download decides.

    Raises:
        CheckpointError: The file cannot be had, or is not the one that was pinned.
        OutputError: It cannot be written.
    """
    from filelock import FileLock

    make_folder(target.parent)
    try:
        with FileLock(_beside(target, ".lock")):
            if target.exists():
                pin(target, sha256=sha256)
                return
            part = _beside(target, ".part")
            _transfer(url, part, progress)
            try:
                pin(part, target, sha256=sha256)
            except CheckpointError:
                part.unlink()
                raise
            os.replace(part, target)
            _beside(part, ".etag").unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(cannot_write(target, error)) from None


def pin(file: Path, name: Path | None = None, *, sha256: str = "", quick: bool = False) -> str:
    """Hold a file against its pin, `NAME.sha256`; the first time, write the pin.

    Args:
        file: What to read.
        name: What the pin is called; None = the file itself.
        sha256: The pin, where it is published.
        quick: Trust a file that has the size and time of the one that was last held against it.

    Returns:
        The SHA-256.

    Raises:
        CheckpointError: The file is not the one that was pinned.
    """
    name = name or file
    path, stamp = _beside(name, ".sha256"), _beside(name, ".checked")
    facts = file.stat()
    now = f"{facts.st_size} {facts.st_mtime_ns}"
    expected = sha256 or _read(path).split(" ")[0].strip()
    if quick and expected and _read(stamp).split() == [*now.split(), expected]:
        return expected
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if expected and found != expected:
        which = "published" if sha256 else "first downloaded"
        trust = "" if sha256 else f", or {path} to trust it"
        raise CheckpointError(
            f"{name.name} is not the file that was {which}: its SHA-256 is {found}, "
            f"expected {expected}; delete {file.resolve()} to download it again{trust}"
        )
    if _read(path).split(" ")[0].strip() != found:
        make_folder(path.parent)
        _write_pin(name, found)
    if quick:
        with suppress(OSError):  # a cache that is only read
            stamp.write_text(f"{now} {found}\n", encoding="utf-8")
    return found


def is_pinned(name: Path) -> bool:
    """Whether a file of that name was once downloaded as a whole."""
    return bool(_read(_beside(name, ".sha256")))


def _read(path: Path) -> str:
    """A short file, or "" if there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _write_pin(name: Path, sha256: str) -> None:
    """Write a pin as sha256sum does."""
    _beside(name, ".sha256").write_text(f"{sha256}  {name.name}\n", encoding="utf-8")


def _transfer(url: str, part: Path, progress: bool) -> None:
    """Bring the part to its full length."""
    tag = _beside(part, ".etag")
    start = part.stat().st_size if part.exists() and tag.exists() else 0
    headers = {"User-Agent": "text2face", "Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": tag.read_text(encoding="utf-8")}
    total: int | None = None
    try:
        with urlopen(Request(url, headers=headers), timeout=_TIMEOUT) as response:
            if urlsplit(response.url).scheme != urlsplit(url).scheme:
                raise CheckpointError(
                    f"{url} leads to {response.url}, expected to stay with https; nothing was read"
                )
            if response.status != 206:
                start = 0
            length = response.headers["Content-Length"] or ""
            total = start + int(length) if length.isdecimal() else None
            # A weak tag (W/...) does not promise the same bytes.
            same = response.headers["ETag"] or response.headers["Last-Modified"] or "W/"
            if same.startswith("W/"):
                tag.unlink(missing_ok=True)
            else:
                tag.write_text(same, encoding="utf-8")
            with part.open("ab" if start else "wb") as file:
                _copy(response, file, part.name.removesuffix(".part"), start, total, progress)
    except HTTPError as error:
        if error.code == 416 and start:  # the part is as long as the file, or longer: start again
            part.unlink()
            return _transfer(url, part, progress)
        raise CheckpointError(
            f"cannot download {url}: the server says {error.code} {error.reason}; check the "
            "address, or fetch the file by hand"
        ) from None
    except _NETWORK as error:
        why = getattr(error, "reason", None) or error
        raise CheckpointError(
            f"cannot download {url}: {why}; check the network and run it again to go on"
        ) from None
    got = part.stat().st_size
    if total is not None and got != total:
        raise CheckpointError(
            f"cannot download {url}: it stopped at {got} bytes, expected {total}; run it again to "
            "go on"
        )
    return None


def _copy(
    response: IO[bytes], file: IO[bytes], name: str, start: int, total: int | None, progress: bool
) -> None:
    from tqdm import tqdm

    with tqdm(
        desc=name,
        initial=start,
        total=total,
        unit="B",
        unit_scale=True,
        leave=False,
        disable=None if progress else True,  # None: only where stderr is a terminal
    ) as bar:
        while chunk := response.read(_CHUNK):
            try:
                file.write(chunk)
            except OSError as error:
                with suppress(OSError):
                    file.flush()
                raise OutputError(cannot_write(Path(file.name), error)) from None
            bar.update(len(chunk))


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
