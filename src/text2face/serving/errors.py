"""Errors in the format of the OpenAI API: one JSON object, never a traceback."""

from __future__ import annotations

import logging
import traceback
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from text2face.errors import Text2FaceError, one_line
from text2face.serving.engine import Busy, Closed

__all__ = ["Refusal", "as_refusal", "error_response", "install"]

_LOG = logging.getLogger("text2face.serving")
_KINDS = {401: "authentication_error", 429: "rate_limit_error"}


class Refusal(Exception):
    """A request that is answered with an error."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        """See the OpenAI API reference for what the fields mean."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param
        self.retry_after = retry_after


def error_response(refusal: Refusal) -> JSONResponse:
    """The JSON that OpenAI's clients turn into an exception."""
    status = refusal.status
    kind = _KINDS.get(status, "invalid_request_error" if status < 500 else "server_error")
    body = {
        "message": str(refusal),
        "type": kind,
        "param": refusal.param,
        "code": refusal.code,
    }
    headers = {"Retry-After": str(refusal.retry_after)} if refusal.retry_after else None
    return JSONResponse({"error": body}, status, headers)


def as_refusal(error: Exception) -> Refusal:
    """What an exception means to a client."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, Busy):
        return Refusal(429, str(error), code="queue_full", retry_after=error.retry_after)
    if isinstance(error, Closed):
        return Refusal(503, "the server is shutting down", code="shutting_down", retry_after=5)
    if isinstance(error, Text2FaceError):
        return Refusal(400, str(error), code="invalid_value")
    _LOG.error("a request failed: %s", _log_text(error))
    return Refusal(500, "the server failed at this request; its log says why", code="internal")


def _log_text(error: BaseException) -> str:
    """An error for the log: where it was, and its text in one line, which may be a stranger's."""
    trace = traceback.TracebackException.from_exception(error)
    place = "".join(trace.stack.format())
    return f"{type(error).__name__}: {one_line(error)}\n{place}".rstrip()


def install(app: FastAPI) -> None:
    """Answer every exception of an app in this form."""

    async def answer(request: Request, error: Exception) -> JSONResponse:
        return error_response(as_refusal(error))

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first: dict[str, Any] = dict(error.errors()[0])
        place = [str(part) for part in first["loc"] if part not in ("body", "query")]
        param = ".".join(place) or None
        message = one_line(f"{param or 'the request'}: {first['msg'].lower()}")
        return error_response(Refusal(400, message, code="invalid_value", param=param))

    async def wrong(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        codes = {404: "not_found", 405: "method_not_allowed"}
        message = one_line(
            f"{request.method} {request.url.path[:100]}: {str(error.detail).lower()}"
        )
        response = error_response(
            Refusal(error.status_code, message, code=codes.get(error.status_code))
        )
        response.headers.update(error.headers or {})
        return response

    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, wrong)
    for kind in (Refusal, Busy, Closed, Text2FaceError, Exception):
        app.add_exception_handler(kind, answer)
