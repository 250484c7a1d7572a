"""
Sessions' tokens: what opens the door. Pure.

A token is 32 random bytes, what the session says of itself, and this site's signature (HMAC-SHA256) over both. To
clients it is opaque. The store keeps only its SHA-256, and finds the session by that; what the token says of itself
counts only while the store can't be asked (``node/grace.py``, docs/decisions/010). Tokens of 32 random bytes alone,
which this project made before it signed them, go on being found through the store.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from typing import NamedTuple

import msgspec

from datchat.chat.model import User
from datchat.ports import Account, Session

RANDOM_BYTES = 32
SKEW_MS = 60_000
"""How far the clocks of two nodes may be apart: a token may be issued so long after now."""
MAX_TOKEN = 400
"""Characters of a token at most: it travels with every request."""
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}(\.[A-Za-z0-9_-]{8,310}\.[A-Za-z0-9_-]{43})?", re.ASCII)


class Claims(msgspec.Struct, frozen=True, array_like=True):
    """What a token says of its session. Times in milliseconds since 1970."""

    user_id: str
    name: str
    admin: bool
    issued_at: int
    expires_at: int


class Opened(NamedTuple):
    """A session that has just begun, and the token that opens it."""

    session: Session
    token: str


def well_formed(token: str) -> bool:
    """Whether this could be a token, signed or not."""
    return len(token) <= MAX_TOKEN and _TOKEN.fullmatch(token) is not None


def session_id(token: str) -> str:
    """What the store keeps of a token: its SHA-256 in hex."""
    return hashlib.sha256(token.encode()).hexdigest()


def open_session(secret: bytes, account: Account, now: int, lifetime_ms: int) -> Opened:
    """A session of an account that begins now, with a token that nobody has seen before."""
    claims = Claims(account.id, account.name, account.admin, now, now + lifetime_ms)
    body = f"{secrets.token_urlsafe(RANDOM_BYTES)}.{_base64(msgspec.json.encode(claims))}"
    token = f"{body}.{_signature(secret, body)}"
    session = Session(
        id=session_id(token),
        user=account.user,
        created_at=claims.issued_at,
        expires_at=claims.expires_at,
        admin=account.admin,
    )
    return Opened(session, token)


def signed_session(secret: bytes, token: str, now: int) -> Session | None:
    """
    The session as its token tells it: None when the token is not one that this site has signed, or its time is not now.
    """
    body, dot, signature = token.rpartition(".")
    if not dot or not hmac.compare_digest(signature.encode(errors="replace"), _signature(secret, body).encode()):
        return None
    encoded = body.partition(".")[2]
    claims = msgspec.json.decode(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)), type=Claims)
    if not claims.issued_at - SKEW_MS <= now < claims.expires_at:
        return None
    return Session(
        id=session_id(token),
        user=User(claims.user_id, claims.name),
        created_at=claims.issued_at,
        expires_at=claims.expires_at,
        admin=claims.admin,
    )


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _signature(secret: bytes, body: str) -> str:
    return _base64(hmac.new(secret, b"session token\0" + body.encode(errors="replace"), hashlib.sha256).digest())
