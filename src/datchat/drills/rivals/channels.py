"""
A chat on Django Channels (rivals/channels): JSON on a socket at ``/ws``.

``{"join": {room: place}}`` brings ``{"joined": [message…]}`` with what was said after each place, and from then on each
message as it comes; ``{"post": {room, id, text}}`` brings ``{"stored": id}`` once it is in the history.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version

from datchat.drills.rivals.acknowledged import Answers
from datchat.drills.rivals.rival import Guest, Message, Show
from datchat.drills.rivals.shelf import as_message, shown
from datchat.drills.rivals.socket import Socket, opened
from datchat.drills.rivals.web import lines


class Channels:
    """A ``Rival``."""

    system = "Django Channels"
    knows_again = True
    numbered = True

    def __init__(self) -> None:
        named = ("django", "channels", "channels-redis", "daphne", "redis")
        self.versions: Mapping[str, str] = {name: version(name) for name in named}

    def rooms(self) -> list[str]:
        return [f"room-{number}" for number in (1, 2, 3)]

    async def arrive(self, url: str, name: str) -> Guest:
        return Guest(name)

    @asynccontextmanager
    async def visit(self, guest: Guest, url: str, rooms: Sequence[str], show: Show) -> AsyncIterator[_Page]:
        page = _Page(guest, show)
        async with opened(f"{url}/ws", {}, page.receive) as socket:
            page.socket = socket
            await page.join(rooms)
            yield page

    async def history(self, guest: Guest, url: str, room: str) -> list[Message]:
        return [as_message(room, line) for line in await lines(url, f"/rooms/{room}")]


class _Page:
    socket: Socket

    def __init__(self, guest: Guest, show: Show) -> None:
        self._guest = guest
        self._show = show
        self._answers = Answers()

    @property
    def closed(self) -> asyncio.Event:
        return self.socket.closed

    async def join(self, rooms: Sequence[str]) -> None:
        self.socket.send(json.dumps({"join": {room: self._guest.places.get(room, "") for room in rooms}}).encode())
        await self._answers.wait("joined", self.closed)

    async def post(self, message: Message) -> None:
        post = {"room": message.room, "id": message.nonce, "text": message.text}
        self.socket.send(json.dumps({"post": post}).encode())
        await self._answers.wait(message.nonce, self.closed)

    def receive(self, frame: bytes) -> None:
        said = json.loads(frame)
        if "joined" in said:
            for line in said["joined"]:
                shown(self._guest, as_message(line["room"], line), self._show)
            self._answers.came("joined")
        elif "stored" in said:
            self._answers.came(said["stored"])
        else:
            shown(self._guest, as_message(said["room"], said), self._show)
