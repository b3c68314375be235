"""What stands before the routes: the size and pace of bodies, and keys."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from text2face.serving.errors import Refusal, error_response

__all__ = ["BodyLimit", "KeyGuard"]


class BodyLimit:
    """Reads a body whole before anyone works with it, unless it is too large or too slow."""

    def __init__(self, app: ASGIApp, *, most: int, seconds: float) -> None:
        """Allow so many bytes within so many seconds."""
        self.app = app
        self.most = most
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self.app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self.seconds):
                body = await self._read(scope, receive)
        except TimeoutError:
            refusal = Refusal(408, f"the body took over {self.seconds:g} s", code="timeout")
            await error_response(refusal)(scope, receive, send)
            return
        except Refusal as refusal:
            await error_response(refusal)(scope, receive, send)
            return
        if body is None:  # the client has left
            return
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return messages.pop() if messages else await receive()

        await self.app(scope, replay, send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        length = Headers(scope=scope).get("content-length", "0")
        parts, total = [], int(length) if length.isdigit() else 0
        self._check(total)
        total = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return None
            parts.append(message.get("body", b""))
            total += len(parts[-1])
            self._check(total)
            if not message.get("more_body"):
                return b"".join(parts)

    def _check(self, size: int) -> None:
        if size > self.most:
            raise Refusal(
                413,
                f"the body has over {self.most} bytes, expected at most that; send less",
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
