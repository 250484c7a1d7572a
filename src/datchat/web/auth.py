"""
Who asks: from the headers of a request to its session.

Knows no framework: pages, API and sockets use it alike, on plain mappings of lower-case header names to values.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from datchat.errors import BackendError, Unavailable
from datchat.node.grace import Grace
from datchat.ports import Accounts, Session
from datchat.web.cookies import SESSION, cookie
from datchat.web.tokens import session_id, signed_session, well_formed

ASK_S = 1.0
"""Seconds that the store has to answer for somebody who would be honoured without it."""
_BEARER = re.compile(r"bearer +(\S+) *", re.ASCII | re.IGNORECASE)
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class Credential(NamedTuple):
    """What a request shows: a token, and whether a cookie brought it."""

    token: str
    by_cookie: bool


class Visit(NamedTuple):
    """A request of somebody who is signed in."""

    session: Session
    by_cookie: bool


def credential(headers: Mapping[str, str]) -> Credential | None:
    """
    The token that the headers carry, or None. A bearer token (RFC 6750) goes before a cookie.

    A bearer token that is not of the right form is no reason to look at the cookie: the request means the token.
    """
    bearer = _BEARER.fullmatch(headers.get("authorization", ""))
    by_cookie = bearer is None
    token = cookie(headers.get("cookie", ""), SESSION) if bearer is None else bearer[1]
    if token is None or not well_formed(token):
        return None
    return Credential(token, by_cookie)


def origin_allowed(origin: str | None, host: str | None, trusted: Collection[str] = ()) -> bool:
    """
    Whether a page of ``origin`` may act with the cookies of ``host``: it is of the same host and port, or trusted.

    The scheme is not compared: behind a proxy that ends TLS a node sees http. No origin, or ``null``, is not allowed.
    """
    if not origin or not host:
        return False
    wanted = origin.lower()
    if wanted in {known.lower().rstrip("/") for known in trusted}:
        return True
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return False
    if parts.scheme not in _DEFAULT_PORTS or wanted != f"{parts.scheme}://{parts.netloc}" or "@" in parts.netloc:
        return False
    port = _DEFAULT_PORTS[parts.scheme]
    return parts.netloc.removesuffix(port) == host.lower().removesuffix(port)


class Doorkeeper:
    """
    Finds sessions. ``wall`` gives milliseconds since 1970; ``origins`` are trusted besides the host's own.

    While the store does not answer, a session that ``secret`` has signed is taken at its word as far as ``grace`` goes.
    """

    def __init__(
        self,
        accounts: Accounts,
        wall: Callable[[], int],
        origins: Collection[str] = (),
        *,
        secret: bytes,
        grace: Grace,
    ) -> None:
        self._accounts = accounts
        self._wall = wall
        self._origins = tuple(origins)
        self._secret = secret
        self._grace = grace

    async def visit(self, headers: Mapping[str, str]) -> Visit | None:
        """
        The living session that the headers name, or None.

        Raises:
            BackendError: The store can't tell, and the session is not to be taken at its word.
        """
        shown = credential(headers)
        if shown is None:
            return None
        session = await self._find(shown.token)
        return None if session is None else Visit(session, shown.by_cookie)

    async def _find(self, token: str) -> Session | None:
        now, number = self._wall(), session_id(token)
        signed = signed_session(self._secret, token, now)
        patient = signed is None or not self._grace.holds(number)
        try:
            async with asyncio.timeout(None if patient else ASK_S):
                session = await self._accounts.session(number, now)
        except (BackendError, TimeoutError) as error:
            self._grace.failed()
            if signed is None or not self._grace.holds(number):
                raise error if isinstance(error, BackendError) else Unavailable("the store does not answer") from None
            return signed
        self._grace.answered()
        if session is None and signed is not None:
            self._grace.ended(number)
        return session

    async def admit(self, headers: Mapping[str, str]) -> Session | int:
        """
        The session that may open a socket, or the status that refuses it: 401 without a session, 403 when a cookie
        came with the origin of another host.

        Raises:
            BackendError: The store can't tell.
        """
        shown = credential(headers)
        if shown is None:
            return 401
        # The cookie is sent whichever page asks (SameSite lets sister domains through), a bearer token is not.
        if shown.by_cookie and not origin_allowed(headers.get("origin"), headers.get("host"), self._origins):
            return 403
        visit = await self.visit(headers)
        return 401 if visit is None else visit.session
