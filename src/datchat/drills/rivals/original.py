"""
The original of 2015 (github.com/brancz/dat_chat), by its protocol: forms to sign up and in, a page with all that was
said, a socket at the same address that carries ``{"text": …}`` one way and ``{"handle": …, "text": …}`` the other.

It acknowledges nothing. What an author sees is the message coming back; that is taken for the acknowledgement.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from html import unescape
from html.parser import HTMLParser
from importlib.metadata import version
from typing import Final

from datchat.drills.rivals.rival import Busy, Gone, Guest, Message, Show
from datchat.drills.rivals.socket import Socket, opened
from datchat.drills.rivals.web import ask
from datchat.drills.waiting import first

ROOM: Final = "chat-demo"
"""The one that there is."""
PASSWORD: Final = "a drill, not a person"
PATIENCE_S: Final = 10.0
"""After how long somebody who doesn't see a message come back believes that it never will."""


class Original:
    """A ``Rival``."""

    system = "dat_chat of 2015"
    knows_again = False
    numbered = False

    def __init__(self) -> None:
        self.versions: Mapping[str, str] = {name: version(name) for name in ("starlette", "uvicorn", "redis")}

    def rooms(self) -> list[str]:
        return [ROOM]

    async def arrive(self, url: str, name: str) -> Guest:
        form = {"user[email]": f"{name}@drill.invalid", "user[password]": PASSWORD}
        await ask("POST", url, "/auth/sign_up", data=form)
        answer = await ask("POST", url, "/auth/sign_in", data=form)
        cookie = "; ".join(f"{name}={value}" for name, value in answer.cookies.items())
        if not cookie:
            raise Busy("nobody was signed in")
        return Guest(name, cookie)

    @asynccontextmanager
    async def visit(self, guest: Guest, url: str, rooms: Sequence[str], show: Show) -> AsyncIterator[_Page]:
        # As a browser does: first the page with what was said, then the socket. What is said in between is not shown.
        for message in await self.history(guest, url, ROOM):
            show(message)
        page = _Page(show)
        async with opened(f"{url}/", {"Cookie": guest.cookie}, page.receive) as socket:
            page.socket = socket
            yield page

    async def history(self, guest: Guest, url: str, room: str) -> list[Message]:
        answer = await ask("GET", url, "/", headers={"Cookie": guest.cookie})
        parser = _Said()
        parser.feed(answer.text)
        return [Message(room, text) for text in parser.texts]


class _Page:
    socket: Socket

    def __init__(self, show: Show) -> None:
        self._show = show
        self._awaited: dict[str, asyncio.Event] = {}

    @property
    def closed(self) -> asyncio.Event:
        return self.socket.closed

    def receive(self, frame: bytes) -> None:
        message = Message(ROOM, unescape(json.loads(frame)["text"]))
        self._show(message)
        if (back := self._awaited.get(message.nonce)) is not None:
            back.set()

    async def post(self, message: Message) -> None:
        back = self._awaited[message.nonce] = asyncio.Event()
        try:
            self.socket.send(json.dumps({"text": message.text}).encode())
            async with asyncio.timeout(PATIENCE_S):
                await first(back, self.closed)
        except TimeoutError:
            raise Gone(f"the message did not come back within {PATIENCE_S:g} s") from None
        else:
            if not back.is_set():
                raise Gone("the page closed before the message came back")
        finally:
            del self._awaited[message.nonce]


class _Said(HTMLParser):
    """The messages on the page."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._within = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._within = ("class", "panel-body") in attrs

    def handle_data(self, data: str) -> None:
        if self._within:
            self.texts.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._within = False
