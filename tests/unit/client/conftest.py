"""A scripted server, clients that lose no time, and an observer that writes everything down."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from datchat.chat import wire
from datchat.chat.model import Cursor, RoomId
from datchat.client import Client, ClientFailure, News, Observer, Options, Reset, RoomEntry, Stored
from datchat.client.pushes import NodeName
from support.scripted_server import ScriptedServer, scripted_server


class Notes(Observer):
    """All that an observer is told, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []
        self.news: list[News] = []

    def of(self, kind: str) -> list[Any]:
        return [what for name, what in self.told if name == kind]

    def connected(self, at: float, node: NodeName, url: str) -> None:
        self.told.append(("connected", url))

    def disconnected(self, at: float, code: int, reason: str) -> None:
        self.told.append(("disconnected", (code, reason)))

    def invoked(self, at: float, command: wire.Posting) -> None:
        self.told.append(("invoked", command.nonce))

    def completed(self, at: float, command: wire.Posting, outcome: Stored | ClientFailure) -> None:
        self.told.append(("completed", (command.nonce, outcome)))

    def received(self, at: float, entry: RoomEntry) -> None:
        self.told.append(("received", entry.offset))

    def reset(self, at: float, reset: Reset) -> None:
        self.told.append(("reset", reset))

    def strayed(self, at: float, room: RoomId, after: Cursor, offset: int) -> None:
        self.told.append(("strayed", (room, after.offset, offset)))


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as server:
        yield server


@pytest.fixture
def notes() -> Notes:
    return Notes()


def quick(**changes: Any) -> Options:
    """Options for tests: short pauses, everything else as it is unless said otherwise."""
    return Options(**{"backoff_s": 0.01, "backoff_cap_s": 0.05, **changes})


def client(server: ScriptedServer, notes: Notes | None = None, *, clock: Any = None, **changes: Any) -> Client:
    """A client of the scripted server."""
    notes = notes or Notes()
    how: dict[str, Any] = {} if clock is None else {"clock": clock}
    return Client(server.url, "token", options=quick(**changes), observer=notes, news=notes.news.append, **how)
