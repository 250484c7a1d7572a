"""A door leads to where it is told to, and nowhere when nobody is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest

from datchat.drills.targets import door as doors
from datchat.drills.targets.door import Door
from support.sockets import connected, listening


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no node that accepts nobody."""
    monkeypatch.setattr(doors, "CONNECT_S", 60.0)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1000):
        writer.write(data.upper())


async def say(word: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(word)
    await reader.read()


@asynccontextmanager
async def opened(door: Door) -> AsyncIterator[Door]:
    await door.open()
    try:
        yield door
    finally:
        await door.close()


def door_to(port: int) -> Door:
    return Door(partial(asyncio.open_connection, "127.0.0.1", port))


async def is_cut(reader: asyncio.StreamReader) -> bool:
    """Whether a connection ends without another word."""
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True


async def test_a_door_carries_both_ways() -> None:
    """What goes in comes out, and the answer comes back; the end of one side is the end of the other."""
    async with listening(echo) as port, opened(door_to(port)) as door, connected(door.url) as (reader, writer):
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"HELLO"

        writer.write_eof()
        assert await reader.read() == b""


async def test_nobody_behind_it() -> None:
    """While the node is down whoever comes is cut at once, and the door stays."""
    async with listening(echo) as port:
        pass
    async with opened(door_to(port)) as door:
        for _ in range(2):
            async with connected(door.url) as (reader, _writer):
                assert await is_cut(reader)


async def test_closing_cuts_whoever_is_within(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody holds a door open; and nobody is told of an error, since none is."""
    async with listening(echo) as port, opened(door_to(port)) as door, connected(door.url) as (reader, writer):
        writer.write(b"hello")
        await reader.readexactly(5)

        await door.close()

        assert await is_cut(reader)
    assert caplog.text == ""


async def test_a_door_follows_its_node() -> None:
    """Who is cut comes again, and is led to where the node is now."""
    async with listening(partial(say, b"here")) as here, listening(partial(say, b"there")) as there:
        places = [here, there]
        way = Door(lambda: asyncio.open_connection("127.0.0.1", places[0]))
        async with opened(way) as door, connected(door.url) as (before, _writer):
            assert await before.readexactly(4) == b"here"

            places.reverse()
            await door.cut()

            assert await is_cut(before)
            async with connected(door.url) as (after, _writer):
                assert await after.readexactly(5) == b"there"


async def test_a_way_that_leads_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that accepts nobody is not waited for without end."""
    monkeypatch.setattr(doors, "CONNECT_S", 0.05)
    nowhere = Door(asyncio.Event().wait)  # type: ignore[arg-type]
    async with opened(nowhere) as door, connected(door.url) as (reader, _writer):
        assert await is_cut(reader)
