"""Errors as HTTP tells them: ``{"code","message"}`` with a fitting status, and never a traceback."""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from datchat.errors import BackendError, BadCommand, ClientError, Forbidden, Invalid, RateLimited, TooLarge

JSON = "application/json"
_RETRY_S = 1
"""What an unavailable store's ``Retry-After`` says, in seconds."""
_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "unsupported_media_type"}
_SENTENCES = {404: "there is nothing here", 405: "this can't be done here"}
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class BodyTooLarge(TooLarge):
    """The request's body is over the site's limit."""

    status = 413


class BodyTooSlow(BadCommand):
    """The request's body took too long to arrive."""

    status = 408
    code = "timeout"


class WrongMediaType(BadCommand):
    """The request's body is of another type than this path takes."""

    status = 415
    code = "unsupported_media_type"


class BadToken(Forbidden):
    """The CSRF token is missing or not this session's."""


def problem_of(error: Exception) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Status, fields and headers that tell an error. ``error`` is one that ``HANDLED`` lists."""
    headers: dict[str, str] = {}
    if isinstance(error, ClientError):
        problem: dict[str, Any] = {"code": error.code, "message": str(error)}
        if isinstance(error, Invalid):
            problem["field"] = error.field
        if isinstance(error, RateLimited):
            problem["retry_after_ms"] = error.retry_after_ms
            headers["retry-after"] = str(math.ceil(error.retry_after_ms / 1000))
        if isinstance(error, BodyTooLarge | BodyTooSlow):
            headers["connection"] = "close"  # to keep it, the rest of the body would have to be read
        if error.status == 401:
            headers["www-authenticate"] = 'Bearer realm="datchat"'  # RFC 9110, section 11.6.1: a 401 has one
        return error.status, problem, headers
    if isinstance(error, BackendError):
        return error.status, {"code": error.code, "message": str(error)}, {"retry-after": str(_RETRY_S)}
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        field = str(first["loc"][-1])
        return 422, {"code": "bad_command", "message": f"{field}: {first['msg'].lower()}", "field": field}, headers
    if isinstance(error, HTTPException):
        code = _CODES.get(error.status_code, "bad_command")
        message = _SENTENCES.get(error.status_code, str(error.detail))
        return error.status_code, {"code": code, "message": message}, dict(error.headers or {})
    return 500, {"code": "internal", "message": "something went wrong on this node; it has been noted"}, headers


HANDLED: tuple[type[Exception], ...] = (ClientError, BackendError, RequestValidationError, HTTPException)


def json_problem(error: Exception) -> Response:
    """An error as the API answers it."""
    status, problem, headers = problem_of(error)
    problem["message"] = _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", problem["message"])
    return Response(msgspec.json.encode(problem), status, headers, JSON)


def wants_page(request: Request) -> bool:
    """Whether an error on this path is told by a page rather than by JSON."""
    # The scope's own path: request.url is put together with the Host header, which may be anything.
    path: str = request.scope["path"]
    return not path.startswith(("/api/", "/static/")) and path not in ("/api", "/healthz", "/readyz", "/metrics", "/ws")
