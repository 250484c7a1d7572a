"""Request bodies: JSON and forms, read strictly and within limits. Whatever is wrong with one is a 4xx."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from datchat.chat import wire
from datchat.errors import BadCommand, Invalid
from datchat.web.problems import BodyTooLarge, BodyTooSlow, WrongMediaType, json_problem

T = TypeVar("T")

MAX_FIELDS = 20
"""Fields of a form at most."""
_AT = re.compile(r" - at `\$\.([a-z_]+)")
_MISSING = re.compile(r"missing required field `([a-z_]+)`")


class BodyLimit:
    """
    Middleware: no body is larger than ``max_bytes`` or takes longer than ``limit_s``, whether its length is told
    before or it comes in chunks.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, limit_s: float) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._limit_s = limit_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = Headers(scope=scope).get("content-length", "0")
        if not told.isascii() or not told.isdigit() or len(told) > 15 or int(told) > self._max_bytes:
            await json_problem(self._too_large())(scope, receive, send)
            return
        size = 0
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limit_s

        async def limited() -> Message:
            nonlocal size
            if size < 0:
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise BodyTooSlow(f"the body did not arrive within {self._limit_s:g} seconds") from None
            if message["type"] == "http.request":
                size += len(message.get("body", b""))
                if size > self._max_bytes:
                    raise self._too_large()
                if not message.get("more_body", False):
                    size = -1  # all is here: what comes now is the disconnect, which takes its time
            return message

        await self._app(scope, limited, send)

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"a request's body has at most {self._max_bytes} bytes")


def media_type(request: Request) -> str:
    """The body's type without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_json(request: Request, form: type[T]) -> T:
    """
    The body, read strictly: no duplicate keys, no NaN, nothing of the wrong type. Unknown fields are ignored.

    Raises:
        WrongMediaType: It is not ``application/json``.
        BadCommand: It is no JSON of this form; an Invalid names the field.
    """
    if media_type(request) != "application/json":
        raise WrongMediaType("send application/json")
    return decode_json(await request.body(), form)


def decode_json(body: bytes, form: type[T]) -> T:
    """
    Read a body's JSON into ``form``.

    Raises:
        BadCommand: As for ``read_json``.
    """
    if wire.too_deep(body):
        raise BadCommand(f"nested deeper than {wire.MAX_NESTING} levels")
    try:
        # msgspec takes the last of duplicate keys and skips unknown fields without a look at their UTF-8: a proxy
        # that reads the same body may see something else there.
        json.loads(body.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
        return msgspec.json.decode(body, type=form)
    except msgspec.ValidationError as error:
        message = str(error)
        if found := _MISSING.search(message):
            raise Invalid(found[1], f"{found[1]} is missing") from error
        if found := _AT.search(message):
            raise Invalid(found[1], f"{found[1]}: {message[: found.start()].lower()}") from error
        raise BadCommand(message) from error
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise BadCommand("not valid JSON") from error


async def read_form(request: Request) -> dict[str, str]:
    """
    The fields of a form; of several of one name the first.

    Raises:
        WrongMediaType: It is not ``application/x-www-form-urlencoded``.
        BadCommand: It has too many fields or broken characters.
    """
    if media_type(request) != "application/x-www-form-urlencoded":
        raise WrongMediaType("send application/x-www-form-urlencoded")
    try:
        body = (await request.body()).decode("ascii")
        pairs = parse_qsl(body, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise BadCommand("this form can't be read") from error
    fields: dict[str, str] = {}
    for name, value in pairs:
        fields.setdefault(name, value)
    return fields


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadCommand("a key stands twice in an object")
    return found


def _no_constant(name: str) -> Any:
    raise BadCommand(f"{name} is no JSON")
