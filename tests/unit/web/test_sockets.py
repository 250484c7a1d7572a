"""The handshake of a socket, apart from the server."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from datchat.errors import Unavailable
from datchat.web.sockets import Upgrade

REQUEST = b"GET /ws HTTP/1.1\r\nHost: chat.example\r\n\r\n"


class Wire:
    """A transport that, as uvloop's, takes nothing any more once it is closed."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        if self.closed:
            raise RuntimeError("unable to perform operation, the handler is closed")
        self.written += data

    def close(self) -> None:
        self.closed = True

    abort = close


class Doorkeeper:
    """Fails after a while."""

    def __init__(self, error: Exception) -> None:
        self.answer = asyncio.Event()
        self._error = error

    async def admit(self, headers: Any) -> Any:
        await self.answer.wait()
        raise self._error


def upgrade(wire: Wire, doorkeeper: Doorkeeper) -> tuple[Upgrade, asyncio.Task[None]]:
    """A handshake under way, and the task that decides on it."""
    tasks: set[asyncio.Task[None]] = set()
    made = Upgrade(None, SimpleNamespace(tasks=tasks), None)
    made.node = SimpleNamespace(full=lambda: False, name="web7")  # type: ignore[assignment]
    made.doorkeeper = doorkeeper  # type: ignore[assignment]
    made.connection_made(wire)  # type: ignore[arg-type]
    made.data_received(REQUEST)
    (task,) = tasks
    return made, task


@pytest.mark.parametrize("leaves", [False, True])
async def test_who_has_left_is_not_refused(leaves: bool) -> None:
    """A refusal goes to whoever waits for it; nobody is written to who has gone meanwhile."""
    wire, doorkeeper = Wire(), Doorkeeper(Unavailable("the store is away"))
    shaken, task = upgrade(wire, doorkeeper)
    if leaves:
        wire.close()
        shaken.connection_lost(None)
    doorkeeper.answer.set()
    await task
    assert wire.closed
    assert wire.written.startswith(b"HTTP/1.1 503 ") is not leaves


async def test_a_failure_that_nobody_foresaw_closes_the_connection() -> None:
    """Nobody waits for ever for an answer that will not come."""
    wire, doorkeeper = Wire(), Doorkeeper(KeyError("a bug"))
    _, task = upgrade(wire, doorkeeper)
    doorkeeper.answer.set()
    await task
    assert wire.closed
    assert wire.written == b""
