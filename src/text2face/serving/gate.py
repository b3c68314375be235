"""What of Gradio is open to visitors, and what may stand in their requests.

Gradio checks paths itself, but what it checks and which of its many routes are open changes from
version to version. So only the routes that the page needs are open, and a request is rebuilt from
what the page needs of it before Gradio sees it: a file is one that the page has taken, an address
is never followed.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from text2face.errors import ArgumentError
from text2face.serving.errors import Refusal, error_response
from text2face.serving.forms import Upload, read_form
from text2face.serving.uploads import MAX_UPLOAD, PageFolder

__all__ = ["PageGate"]

_API: Final = "/gradio_api"
_OPEN: Final = re.compile(
    r"/|/config|/theme\.css|/favicon\.ico|/manifest\.json|/(assets|static|svelte)/[\w./-]+"
    rf"|{_API}/(heartbeat/\w+|queue/data|startup-events)"
)
_EVENTS: Final = (f"{_API}/queue/join", f"{_API}/run/predict")
_SMALL: Final = (f"{_API}/cancel", f"{_API}/reset")
_FILE: Final = f"{_API}/file="
_MAX_JSON: Final = 2**16
_MAX_DEPTH: Final = 8
_MAX_TEXT: Final = 10_000
_MAX_NUMBER: Final = 2**53


class PageGate:
    """Stands before Gradio's app."""

    def __init__(self, app: ASGIApp, folder: PageFolder) -> None:
        """Let visitors use the files of one folder."""
        self.app = app
        self.folder = folder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, answer it, or refuse it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        try:
            answer = await self._answer(scope, receive, send)
        except Refusal as refusal:
            answer = error_response(refusal)
        if answer is not None:
            await answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> Response | None:
        method, path = scope["method"], scope["path"]
        if method in ("GET", "HEAD"):
            if path == f"{_API}/upload_progress":
                return Response('data: {"msg": "done"}\n\n', media_type="text/event-stream")
            if path.startswith(_FILE):
                if not self.folder.holds(path.removeprefix(_FILE)):
                    raise _hidden()
            elif not _OPEN.fullmatch(path) or ".." in path:
                raise _unknown()
            await self.app(scope, receive, send)
            return None
        if method == "POST" and path == f"{_API}/upload":
            return await self._upload(scope, await _read(receive, MAX_UPLOAD + 2**16))
        if method == "POST" and path in (*_EVENTS, *_SMALL):
            body = _load(await _read(receive, _MAX_JSON))
            made = self._event(body) if path in _EVENTS else _plain(body)
            await self.app(*_replaced(scope, receive, made), send)
            return None
        raise _unknown()

    async def _upload(self, scope: Scope, body: bytes) -> Response:
        form = await read_form(Headers(scope=scope), body)
        files = [value for name, value in form if name == "files" and isinstance(value, Upload)]
        if not files:
            raise Refusal(400, "no files in the form", code="invalid_value", param="files")
        try:
            kept = [str(self.folder.add(file.content)) for file in files]
        except ArgumentError as error:
            raise Refusal(400, str(error), code="invalid_value", param="files") from None
        return JSONResponse(kept)

    def _event(self, body: dict[str, Any]) -> dict[str, Any]:
        """What the page sends when something is clicked, with nothing else in it."""
        made = _plain(body)
        data = body.get("data")
        if not isinstance(data, list) or len(data) > 64:
            raise Refusal(400, "data: expected a list", code="invalid_value", param="data")
        made["data"] = [self._value(value, 0) for value in data]
        event = body.get("event_data")
        if isinstance(event, dict) and isinstance(event.get("index"), int):
            made["event_data"] = {"index": event["index"], "value": None, "selected": True}
        return made

    def _value(self, value: Any, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise Refusal(400, "the data is nested too deeply", code="invalid_value")
        if isinstance(value, list):
            return [self._value(one, depth + 1) for one in value]
        if isinstance(value, dict):
            # The page sends no other object than a file.
            path = self.folder.uploaded(value.get("path"))
            if path is None:
                raise _hidden()
            return {
                "path": str(path),
                "orig_name": path.name,
                "meta": {"_type": "gradio.FileData"},
            }
        number = isinstance(value, int | float) and abs(value) > _MAX_NUMBER
        if number or (isinstance(value, str) and len(value) > _MAX_TEXT):
            raise Refusal(400, "a value is too large", code="invalid_value")
        if isinstance(value, str):  # Gradio prints what it refuses where the server runs
            return "".join(c if c.isprintable() else " " for c in value)
        return value


def _hidden() -> Refusal:
    return Refusal(403, "no such file of this page", code="not_found")


def _plain(body: dict[str, Any]) -> dict[str, Any]:
    kinds = {"fn_index": int, "trigger_id": int, "session_hash": str, "event_id": str}
    made = {}
    for name, kind in kinds.items():
        value = body.get(name)
        if value is None:
            continue
        if type(value) is not kind or len(str(value)) > 64:
            raise Refusal(
                400, f"{name}: expected {kind.__name__}", code="invalid_value", param=name
            )
        made[name] = value
    return made


def _unknown() -> Refusal:
    return Refusal(404, "the page has nothing of that name", code="not_found")


async def _read(receive: Receive, most: int) -> bytes:
    parts, total = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Refusal(499, "the client has left")
        parts.append(message.get("body", b""))
        total += len(parts[-1])
        if total > most:
            raise Refusal(
                413, f"the body has over {most} bytes; send less", code="request_too_large"
            )
        if not message.get("more_body"):
            return b"".join(parts)


def _load(body: bytes) -> dict[str, Any]:
    try:
        loaded = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError):
        loaded = None
    if not isinstance(loaded, dict):
        raise Refusal(400, "the body is no JSON object", code="invalid_value")
    return loaded


def _no_number(name: str) -> float:
    raise ValueError(name)


def _replaced(scope: Scope, receive: Receive, body: dict[str, Any]) -> tuple[Scope, Receive]:
    content = json.dumps(body).encode()
    headers = [
        (name, value)
        for name, value in scope["headers"]
        if name not in (b"content-length", b"content-type", b"transfer-encoding")
    ]
    headers += [
        (b"content-length", str(len(content)).encode()),
        (b"content-type", b"application/json"),
    ]
    messages: list[Message] = [{"type": "http.request", "body": content, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return {**scope, "headers": headers}, replay
