"""
Cookies: reading what comes, making what goes. Pure.

What a browser sends is untrusted: names and values are taken as they stand, and anything odd is no cookie.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Literal, NamedTuple

SESSION = "datchat_session"
VISITOR = "datchat_csrf"
"""A random value of a browser that is not signed in: what its forms' tokens are derived from."""
FLASH = "datchat_flash"
LAST_ROOM = "datchat_room"
LAST_ROOM_S = 365 * 86_400
"""Seconds for which a browser remembers the room that was open last."""
MAX_HEADER = 16_384
"""Characters of a Cookie header that are read at most."""


class Flash(NamedTuple):
    """A message for the next page that is shown."""

    level: Literal["info", "error"]
    text: str


def cookie(header: str, name: str) -> str | None:
    """
    The first cookie of this name in a ``Cookie`` header (RFC 6265, section 4.2), or None.

    Of several of one name the browser sends the one with the most specific path first.
    """
    for pair in header[:MAX_HEADER].split(";"):
        found, equals, value = pair.partition("=")
        if equals and found.strip() == name:
            value = value.strip()
            return value[1:-1] if len(value) >= 2 and value[0] == value[-1] == '"' else value
    return None


def set_cookie(name: str, value: str, *, secure: bool, max_age_s: int) -> str:
    """A ``Set-Cookie`` value. ``max_age_s`` of 0 takes the cookie away."""
    parts = [f"{name}={value}", "Path=/", f"Max-Age={max_age_s}", "HttpOnly", "SameSite=Lax"]
    return "; ".join([*parts, "Secure"] if secure else parts)


def seal_flashes(secret: bytes, flashes: Sequence[Flash]) -> str:
    """Flash messages as a signed cookie value."""
    body = base64.urlsafe_b64encode(json.dumps(flashes, ensure_ascii=False).encode())
    return f"{body.decode()}.{_signature(secret, body)}"


def open_flashes(secret: bytes, value: str | None) -> list[Flash]:
    """The flash messages of a cookie value; none when it is not one that this site has signed."""
    body, dot, signature = (value or "").partition(".")
    if not dot or not hmac.compare_digest(
        signature.encode(errors="replace"), _signature(secret, body.encode(errors="replace")).encode()
    ):
        return []
    return [Flash(*flash) for flash in json.loads(base64.urlsafe_b64decode(body))]


def _signature(secret: bytes, body: bytes) -> str:
    return hmac.new(secret, b"flash\0" + body, sha256).hexdigest()
