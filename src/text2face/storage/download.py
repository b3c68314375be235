"""Downloads that can be resumed, are written atomically, and are checked by SHA-256."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import ssl
from contextlib import suppress
from email.message import Message
from pathlib import Path
from typing import IO, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, getproxies, proxy_bypass, urlopen

from text2face.errors import CheckpointError, OutputError, quoted
from text2face.storage.folders import atomic_file, cannot_write, make_folder

_CHUNK: Final = 1 << 20
_TIMEOUT: Final = 30.0
"""Seconds without a byte."""
_TAG: Final = re.compile(r'"[!#-~]{1,200}"|[A-Za-z0-9 ,:+-]{1,40}')
"""A strong ETag, or a date."""
_PAGE: Final = re.compile(rb"[\xef\xbb\xbf\s]*<(!doctype|html|\?xml|head|!--)", re.IGNORECASE)
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
            if not sha256:
                _pinned(_beside(target, ".sha256"))  # a damaged one is told before the download
            part = _beside(target, ".part")
            _transfer(url, part, progress, checked=bool(sha256))
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
    expected = sha256 or _pinned(path)
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
    if sha256 or not expected:
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
    with atomic_file(_beside(name, ".sha256")) as file:
        file.write(f"{sha256}  {name.name}\n".encode())


def _pinned(path: Path) -> str:
    """The SHA-256 in a pin; "" if there is no pin.

    Raises:
        CheckpointError: There is one, and it cannot be read.
    """
    if not path.exists():
        return ""
    found = re.match(r"([0-9a-fA-F]{64})(\s|$)", _read(path)[:200])
    if found is None:
        raise CheckpointError(
            f"damaged file: {path} holds no SHA-256, expected one as sha256sum writes it; delete "
            "it, and the file beside it is trusted as it is"
        )
    return found[1].lower()


def _transfer(url: str, part: Path, progress: bool, *, checked: bool) -> None:
    """Bring the part to its full length.

    Args:
        url: Where from.
        part: The part.
        progress: Show a bar.
        checked: Whether a published checksum is going to decide; without one, the answer has to
            say how long it is.
    """
    check_proxy(url)
    tag = _beside(part, ".etag")
    start, same = _left(part, tag)
    headers = {"User-Agent": "text2face", "Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": same}
    total: int | None = None
    try:
        with urlopen(Request(url, headers=headers), timeout=_TIMEOUT) as response:
            if urlsplit(response.url).scheme != urlsplit(url).scheme:
                raise CheckpointError(
                    f"{url} leads to {response.url}, expected to stay with https; nothing was read"
                )
            _check_kind(url, response.headers)
            if response.status != 206:
                start = 0
            elif not _goes_on(response.headers, start, same):
                # Another range or another version: the part cannot be trusted.
                part.unlink(missing_ok=True)
                if start:
                    return _transfer(url, part, progress, checked=checked)
                raise CheckpointError(
                    f"cannot download {url}: the server gave another part than the whole that was "
                    "asked for; fetch the file by hand"
                )
            length = response.headers["Content-Length"] or ""
            total = start + int(length) if re.fullmatch(r"[0-9]{1,15}", length) else None
            chunked = (response.headers["Transfer-Encoding"] or "").lower() == "chunked"
            if total is None and not chunked and not checked:
                raise CheckpointError(
                    f"cannot download {url}: the server does not say how long the file is, "
                    "expected a Content-Length; fetch the file by hand"
                )
            with part.open("ab" if start else "wb") as file:
                if not start:  # only now: no tag stands beside the bytes of another version
                    _write_tag(tag, response.headers)
                _copy(response, file, part.name.removesuffix(".part"), start, total, progress)
    except HTTPError as error:
        if error.code == 416 and start:  # the part is as long as the file, or longer: start again
            part.unlink()
            return _transfer(url, part, progress, checked=checked)
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
    with part.open("rb") as file:
        beginning = file.read(64)
    if not got or _PAGE.match(beginning):
        part.unlink()
        raise CheckpointError(
            f"{url} gave {'a web page' if got else 'an empty file'}, expected the file itself; the "
            "link may be dead or ask for a click; fetch the file by hand"
        )
    return None


def _left(part: Path, tag: Path) -> tuple[int, str]:
    """How much of a part can be gone on from, and the tag of its version."""
    try:
        same = tag.read_text(encoding="ascii")
        start = part.stat().st_size
    except (OSError, UnicodeDecodeError):
        return 0, ""
    return (start, same) if _TAG.fullmatch(same) else (0, "")


def _write_tag(tag: Path, headers: Message) -> None:
    """Keep what names the version of a file; a weak tag (W/...) does not promise the same bytes."""
    same = headers["ETag"] or headers["Last-Modified"] or ""
    tag.unlink(missing_ok=True)
    if _TAG.fullmatch(same):
        tag.write_text(same, encoding="ascii")


def _goes_on(headers: Message, start: int, same: str) -> bool:
    """Whether a partial answer is the rest of the same version."""
    given = re.fullmatch(r"bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15})",
                         headers["Content-Range"] or "")  # fmt: skip
    named = headers["ETag"] if same.startswith('"') else headers["Last-Modified"]
    return (
        start > 0
        and given is not None
        and start == int(given[1]) <= int(given[2])
        and int(given[2]) + 1 == int(given[3])
        and named in (None, same)
    )


def _check_kind(url: str, headers: Message) -> None:
    """See that an answer is the file itself.

    Raises:
        CheckpointError: It is a page to be read, or packed.
    """
    if headers.get_content_type() in ("text/html", "application/xhtml+xml"):
        raise CheckpointError(
            f"{url} gave a web page, expected the file itself; the link may be dead or ask for a "
            "click or a log-in; fetch the file by hand"
        )
    packed = headers["Content-Encoding"] or "identity"
    if packed != "identity":
        raise CheckpointError(
            f"{url} gave the file packed as {quoted(packed)}, expected it as it is; fetch the file "
            "by hand"
        )


def check_proxy(url: str) -> None:
    """See that the proxy that the environment names for an address can be used.

    Raises:
        CheckpointError: It is of a kind that is not spoken here.
    """
    parts = urlsplit(url)
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all") or ""
    if not proxy or proxy_bypass(parts.hostname or ""):
        return
    kind = urlsplit(proxy if "://" in proxy else f"http://{proxy}").scheme
    if kind not in ("http", "https"):
        raise CheckpointError(
            f"the environment names a proxy of kind {quoted(kind)} for {parts.scheme} (ALL_PROXY, "
            f"{parts.scheme.upper()}_PROXY), expected an HTTP proxy; unset it or name an HTTP "
            "proxy, or fetch the file by hand"
        )


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
