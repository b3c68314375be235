"""Time limits of connections: uvicorn itself waits without limit for the rest of a header."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["Connection"]

HEADER_SECONDS: Final = 10.0
WRITE_SECONDS: Final = 60.0
MAX_CONNECTIONS: Final = 900  # below the 1024 files that a process may have open


class Connection(H11Protocol):
    """A connection that must ask within ten seconds, and take some of its answer each minute.

    Where there are too many, the one that has asked nothing for longest makes room.
    """

    _timer: asyncio.TimerHandle | None = None
    _begun = 0.0
    _left = 0
    """Bytes of an answer that the client has not taken yet."""

    @property
    def _asking(self) -> bool:
        """Whether a request has come that is not answered yet."""
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._begun = self.loop.time()
        self._wait(HEADER_SECONDS)
        if len(self.connections) > MAX_CONNECTIONS:
            others = [one for one in self.connections if isinstance(one, Connection)]
            idle = [one for one in others if not one._asking]
            min(idle or [self], key=lambda one: one._begun).transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take bytes; they do not prolong the wait for a whole header."""
        super().data_received(data)
        if self._asking:
            self._stop()
        elif self._timer is None:
            self._wait(HEADER_SECONDS)

    def on_response_complete(self) -> None:
        """Give the client time to take the answer."""
        super().on_response_complete()
        self._begun = self.loop.time()
        self._stop()
        self._left = self.transport.get_write_buffer_size()
        if self._left:
            self._wait(WRITE_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, in JSON as all else."""
        error = {"message": msg, "type": "invalid_request_error", "param": None, "code": None}
        content = json.dumps({"error": error}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
            (b"connection", b"close"),
        ]
        parts: list[Any] = [
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=content),
            h11.EndOfMessage(),
        ]
        for part in parts:
            self.transport.write(cast(bytes, self.conn.send(part)))
        self.transport.close()

    def _wait(self, seconds: float) -> None:
        self._stop()
        self._timer = self.loop.call_later(seconds, self._end)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self) -> None:
        self._timer = None
        left = self.transport.get_write_buffer_size()
        if 0 < left < self._left:
            self._left = left
            self._wait(WRITE_SECONDS)
        elif not self._asking:
            self.transport.abort()
