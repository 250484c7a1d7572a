"""
CSRF tokens: an HMAC of what the browser holds in an HttpOnly cookie, so that no other site's page can know it.

Signed in it is derived from the session, before that from a random visitor's cookie. Nothing is stored.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from hashlib import sha256

HEADER = "x-csrf-token"
FIELD = "csrf_token"
_VISITOR = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


def session_token(secret: bytes, session_id: str) -> str:
    """The CSRF token of a session."""
    return _derive(secret, b"session", session_id)


def visitor_token(secret: bytes, visitor: str) -> str:
    """The CSRF token of a browser that is not signed in."""
    return _derive(secret, b"visitor", visitor)


def new_visitor() -> str:
    """A visitor's cookie."""
    return secrets.token_urlsafe(32)


def well_formed_visitor(value: str | None) -> bool:
    """Whether a cookie's value is one that ``new_visitor`` could have made."""
    return value is not None and _VISITOR.fullmatch(value) is not None


def matches(given: str | None, wanted: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest((given or "").encode(errors="replace"), wanted.encode())


def _derive(secret: bytes, purpose: bytes, value: str) -> str:
    mac = hmac.new(secret, b"csrf\0" + purpose + b"\0" + value.encode(), sha256).digest()
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
