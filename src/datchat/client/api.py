"""
The JSON API as a client needs it: accounts, sessions, rooms, pages of the log.

httpx, and not a smaller thing of our own: this is the slow path (a few calls a client), and proxies, TLS, redirects and
time-outs are not ours to write again. It adds three pure Python packages to those that the server needs anyway.
"""

from __future__ import annotations

import ssl
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
import msgspec

from datchat.chat import wire
from datchat.chat.model import Cursor, RoomId, User
from datchat.client.errors import Refused, Unreachable
from datchat.client.events import RoomEntry
from datchat.client.urls import page_url

T = TypeVar("T")


class SignIn(msgspec.Struct, frozen=True):
    """A session: ``token`` is what opens the socket and the API, until it is ended or expires."""

    token: str
    user: User


class RoomInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A room as one user finds it; further fields are ignored."""

    id: RoomId
    title: str
    private: bool = False
    archived: bool = False
    created_by: str | None = None
    cursor: str = ""
    read: int = 0
    unread: int = 0


class EntriesPage(msgspec.Struct, frozen=True):
    """A stretch of a room's log, oldest first."""

    entries: list[msgspec.Raw]
    cursor: str
    more: bool
    reset: bool

    def read(self) -> list[RoomEntry]:
        """The entries, stored bytes and all."""
        return [RoomEntry(wire.parse_entry(bytes(raw))) for raw in self.entries]


class Reaction(msgspec.Struct, frozen=True):
    """How many have put an emoji to a message, and whether one is among them."""

    emoji: str
    count: int
    mine: bool


class ViewedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message as it looks at a view's cursor."""

    offset: int
    author: User
    at: int
    via: str
    nonce: str
    text: str
    reply_to: int | None = None
    edited_at: int | None = None
    deleted: bool
    reactions: list[Reaction]
    replies: int
    revision: int


class MessagesPage(msgspec.Struct, frozen=True):
    """A view: the log folded into messages, oldest first."""

    messages: list[ViewedMessage]
    cursor: str
    more: bool


class _Problem(msgspec.Struct):
    code: str = "unavailable"
    message: str = ""


class Api:
    """
    One server's API; one object serves many accounts.

    Every call raises ``Refused`` with the server's code when the answer is no, and ``Unreachable`` when none came.
    """

    def __init__(self, url: str, *, timeout_s: float = 15.0, ssl_context: ssl.SSLContext | None = None) -> None:
        self.url = page_url(url)
        # No proxies from the environment: the socket would not go through them, and half a chat is no use.
        self._http = httpx.AsyncClient(
            base_url=self.url + "/api/v1",
            timeout=timeout_s,
            verify=ssl_context or self.url.startswith("https"),
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def sign_up(self, email: str, password: str, name: str | None = None) -> User:
        """Make an account. It is not signed in by that."""
        given = {"email": email, "password": password, "name": name}
        return await self._ask("POST", "/accounts", User, json={k: v for k, v in given.items() if v is not None})

    async def sign_in(self, email: str, password: str) -> SignIn:
        """Begin a session."""
        answer = await self._ask("POST", "/sessions", SignIn, json={"email": email, "password": password})
        # Each call says by its token who it is for; a cookie that stayed would speak for the one who came last.
        self._http.cookies.clear()
        return answer

    async def sign_out(self, token: str) -> None:
        """End the session: its sockets are closed with 4500."""
        await self._send("DELETE", "/sessions/current", token)

    async def me(self, token: str) -> User:
        """Who the token is of."""
        return await self._ask("GET", "/me", User, token)

    async def rooms(self, token: str) -> list[RoomInfo]:
        """The rooms that one may see."""
        return await self._ask("GET", "/rooms", list[RoomInfo], token)

    async def create_room(self, token: str, room: str, title: str, *, private: bool = False) -> RoomInfo:
        """Create a room."""
        return await self._ask("POST", "/rooms", RoomInfo, token, json={"id": room, "title": title, "private": private})

    async def entries(
        self,
        token: str,
        room: str,
        *,
        after: Cursor | str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> EntriesPage:
        """A page of the log: after a cursor, before an offset, or the newest."""
        asked: dict[str, Any] = {"after": after and str(after), "before": before, "limit": limit}
        return await self._ask(
            "GET",
            f"/rooms/{room}/entries",
            EntriesPage,
            token,
            params={name: value for name, value in asked.items() if value is not None},
        )

    async def messages(self, token: str, room: str, *, before: int | None = None, limit: int = 50) -> MessagesPage:
        """A page of messages as they look now: the newest, or those before an offset."""
        asked = {"limit": limit} if before is None else {"limit": limit, "before": before}
        return await self._ask("GET", f"/rooms/{room}/messages", MessagesPage, token, params=asked)

    async def _ask(self, method: str, path: str, answer: type[T], token: str | None = None, **how: Any) -> T:
        response = await self._send(method, path, token, **how)
        try:
            return msgspec.json.decode(response.content, type=answer)
        except msgspec.DecodeError as error:
            raise Unreachable(f"{method} {path}: not an answer of this API: {error}") from error

    async def _send(self, method: str, path: str, token: str | None, **how: Any) -> httpx.Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        try:
            response = await self._http.request(method, path, headers=headers, **how)
        except httpx.HTTPError as error:
            raise Unreachable(f"{method} {self.url}{path}: {error or type(error).__name__}") from error
        if response.is_success:
            return response
        try:
            problem = msgspec.json.decode(response.content, type=_Problem)
        except msgspec.DecodeError:
            raise Unreachable(f"{method} {self.url}{path}: {response.status_code}") from None
        raise Refused(problem.code, problem.message)
