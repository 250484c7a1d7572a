"""
A chat on python-socketio (rivals/socketio), by the library's own client.

The event ``join`` with the last place of each room answers with what was said after it; each ``message`` comes with its
place; ``post`` is acknowledged by callback. That is how Socket.IO tells to make up for delivery at most once
(https://socket.io/docs/v4/delivery-guarantees).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any, Final

import socketio
import socketio.exceptions

from datchat.drills.rivals.rival import Busy, Gone, Guest, Message, Show
from datchat.drills.rivals.shelf import as_message, shown
from datchat.drills.rivals.web import lines

# What goes wrong with a connection is told by exceptions.
_logger = logging.getLogger("datchat.drills.socketio")
_logger.addHandler(logging.NullHandler())
_logger.propagate = False

OPEN_S: Final = 5.0
ANSWER_S: Final = 10.0
"""After how long a page takes an answer for lost: the example's ``ackTimeout``."""


class SocketIO:
    """A ``Rival``."""

    system = "python-socketio"
    knows_again = True
    numbered = True

    def __init__(self) -> None:
        named = ("python-socketio", "python-engineio", "uvicorn", "redis")
        self.versions: Mapping[str, str] = {name: version(name) for name in named}

    def rooms(self) -> list[str]:
        return [f"room-{number}" for number in (1, 2, 3)]

    async def arrive(self, url: str, name: str) -> Guest:
        return Guest(name)

    @asynccontextmanager
    async def visit(self, guest: Guest, url: str, rooms: Sequence[str], show: Show) -> AsyncIterator[_Page]:
        # Opened anew by whoever stays, at the same pace for every chat.
        client = socketio.AsyncClient(
            reconnection=False, request_timeout=OPEN_S, logger=_logger, engineio_logger=_logger
        )
        page = _Page(client)
        client.on("message", lambda line: shown(guest, as_message(line["room"], line), show))
        client.on("disconnect", lambda reason: page.closed.set())
        try:
            # Only WebSocket: with polling every request of a session has to reach the same node.
            await client.connect(url, transports=["websocket"], wait_timeout=OPEN_S)
            answer = await page.ask("join", {room: guest.places.get(room, "") for room in rooms})
            for line in answer["lines"]:
                shown(guest, as_message(line["room"], line), show)
            yield page
        except socketio.exceptions.ConnectionError as error:
            raise Gone(f"no socket: {error}") from error
        finally:
            await client.shutdown()

    async def history(self, guest: Guest, url: str, room: str) -> list[Message]:
        return [as_message(room, line) for line in await lines(url, f"/rooms/{room}")]


class _Page:
    def __init__(self, client: Any) -> None:
        self._client = client
        self.closed = asyncio.Event()

    async def post(self, message: Message) -> None:
        await self.ask("post", {"room": message.room, "id": message.nonce, "text": message.text})

    async def ask(self, event: str, words: Mapping[str, str]) -> Mapping[str, Any]:
        """
        The answer to an event.

        Raises:
            Gone: There is none.
            Busy: The chat says that it can't.
        """
        try:
            answer: Mapping[str, Any] = await self._client.call(event, words, timeout=ANSWER_S)
        except socketio.exceptions.SocketIOError as error:
            raise Gone(f"no answer: {type(error).__name__}: {error}") from error
        if "error" in answer:
            raise Busy(answer["error"])
        return answer
