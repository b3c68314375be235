"""Middleware before the routes: host names, API keys, size and time limits of bodies."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import logging
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from text2face.errors import one_line
from text2face.serving.errors import Refusal, as_refusal, error_response

__all__ = ["BodyLimit", "HostGuard", "KeyGuard", "LastResort"]

_LOG = logging.getLogger("text2face.serving")
_WITH_FILES: Final = ("/v1/images/edits", "/page/face/")
_NO_FILES: Final = 2**17  # bytes of a body of words
_FREE: Final = 2**14  # bytes that every request may hold


class HostGuard:
    """Lets requests pass that are meant for this server.

    A page of a stranger can have its own name lead to this address ("DNS rebinding") and then reads
    what it likes through the browser of a visitor. The browser still says that name, so names are
    compared with a list. Addresses and `localhost` are always allowed: they name no other host.
    """

    def __init__(self, app: ASGIApp, *, names: Sequence[str]) -> None:
        """Answer to these names; "*" = to any."""
        self.app = app
        self.names = {name.lower().rstrip(".") for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "http" and "*" not in self.names:
            headers = Headers(scope=scope)
            host = headers.get("host", "")
            origin = headers.get("origin")
            refusal = None
            if not self._knows(f"//{host}"):
                refusal = _foreign("the Host header", host)
            elif origin is not None and not self._knows(origin):
                refusal = _foreign("the Origin header", origin)
            if refusal:
                await error_response(refusal)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _knows(self, url: str) -> bool:
        try:
            parts = urlsplit(url)
            name = (parts.hostname or "").rstrip(".")
            if parts.username is not None or not name:
                return False
            if name == "localhost" or name.endswith(".localhost") or name in self.names:
                return True
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _foreign(what: str, name: str) -> Refusal:
    return Refusal(
        403,
        f"{what} names {name[:80]!a}, which this server does not answer to; start it with "
        "--allow-host NAME if it should",
        code="host_not_allowed",
    )


class LastResort:
    """Answers unexpected exceptions before uvicorn logs them: their text may come from a client."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand before everything."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except Exception as error:  # the outermost boundary
            if scope["type"] != "http":
                raise
            if started:
                _LOG.warning("an answer broke off: %s: %s", type(error).__name__, one_line(error))
            else:
                await error_response(as_refusal(error))(scope, receive, send)


class BodyLimit:
    """Reads a body whole before anyone works with it, unless it is too large or too slow.

    What all requests hold together is limited as well, until they are answered.
    """

    def __init__(self, app: ASGIApp, *, most: int, seconds: float) -> None:
        """Allow so many bytes within so many seconds, and eight times as many for all together."""
        self.app = app
        self.most = most
        self.together = 8 * most
        self.seconds = seconds
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self.app(scope, receive, send)
            return
        hold = _Hold(self)
        try:
            try:
                async with asyncio.timeout(self.seconds):
                    body = await self._read(scope, receive, hold)
            except TimeoutError:
                raise Refusal(
                    408, f"the body took over {self.seconds:g} s", code="timeout"
                ) from None
            if body is None:  # the client has left
                return
            messages = [{"type": "http.request", "body": body, "more_body": False}]

            async def replay() -> Message:
                return messages.pop() if messages else await receive()

            await self.app(scope, replay, send)
        except Refusal as refusal:
            await error_response(refusal)(scope, receive, send)
        finally:
            hold.release()

    async def _read(self, scope: Scope, receive: Receive, hold: _Hold) -> bytes | None:
        most = self.most if scope["path"].startswith(_WITH_FILES) else min(self.most, _NO_FILES)
        length = Headers(scope=scope).get("content-length", "0")
        _check(int(length) if length.isdigit() and len(length) < 20 else 0, most)
        parts, total = [], 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return None
            parts.append(message.get("body", b""))
            total += len(parts[-1])
            _check(total, most)
            hold.take(total)
            if not message.get("more_body"):
                return b"".join(parts)


class _Hold:
    """What one request holds of what all may hold; small ones are free."""

    def __init__(self, limit: BodyLimit) -> None:
        self.limit = limit
        self.size = 0

    def take(self, total: int) -> None:
        more = max(0, total - _FREE) - self.size
        if more and self.limit._held + more > self.limit.together:
            raise Refusal(
                429,
                "the server holds as many uploads as it can; try again in a second",
                code="too_many_uploads",
                retry_after=1,
            )
        self.size += more
        self.limit._held += more

    def release(self) -> None:
        self.limit._held -= self.size
        self.size = 0


def _check(size: int, most: int) -> None:
    if size > most:
        raise Refusal(
            413,
            f"the body has over {most} bytes, expected at most that; send less",
            code="request_too_large",
        )


class KeyGuard:
    """Lets requests to /v1 pass that bear one of the keys, compared in constant time."""

    def __init__(self, app: ASGIApp, *, keys: Sequence[str]) -> None:
        """Know the digests of the keys, so that not even their lengths can be told by time."""
        self.app = app
        self.digests = [_digest(key.encode()) for key in keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        path = scope["path"] if scope["type"] == "http" else ""
        # The names of files are secrets themselves, and browsers send no keys for images.
        if path.startswith(("/v1/", "/metrics")) and not path.startswith("/v1/images/files/"):
            given = Headers(scope=scope).get("authorization", "")
            kind, _, key = given.partition(" ")
            digest = _digest(key.strip().encode("utf-8", "replace"))
            known = [hmac.compare_digest(digest, one) for one in self.digests]
            if kind.lower() != "bearer" or not any(known):
                refusal = Refusal(
                    401,
                    "no valid API key; expected the header 'Authorization: Bearer KEY'",
                    code="invalid_api_key",
                )
                response = error_response(refusal)
                response.headers["WWW-Authenticate"] = "Bearer"
                await response(scope, receive, send)
                return
        await self.app(scope, receive, send)


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
