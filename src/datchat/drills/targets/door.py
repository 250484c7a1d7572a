"""
A way to a node past the load balancer, and past every cut: a port of this machine that leads into the node's network.

People who sit beside a node that is cut off go on using it. To see what they see, a client's connection has to begin
where the node is.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

CONNECT_S: Final = 3.0
"""How long a node may take to accept a connection."""
CHUNK: Final = 65536

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Door:
    """
    Leads whoever comes to where ``way`` leads now; ``OSError`` from it cuts them. ``url`` is known once it is open.
    """

    def __init__(self, way: Callable[[], Awaitable[Streams]]) -> None:
        self._way = way
        self._server: asyncio.Server | None = None
        self._visits: set[asyncio.Task[None]] = set()
        self.url = ""

    async def open(self) -> None:
        """Begin to listen, on a free port of this machine."""
        self._server = await asyncio.start_server(self._enter, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def cut(self) -> None:
        """Cut everybody who came through: their way leads nowhere now. Whoever comes again is let in."""
        for visit in self._visits:
            visit.cancel()
        if self._visits:
            await asyncio.wait(self._visits)

    async def close(self) -> None:
        """Cut everybody who came through, and let nobody in any more."""
        if self._server is not None:
            self._server.close()
        await self.cut()

    async def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visit = asyncio.current_task()
        assert visit is not None
        self._visits.add(visit)
        try:
            async with asyncio.timeout(CONNECT_S):
                inner_reader, inner_writer = await self._way()
            await _join(reader, writer, inner_reader, inner_writer)
        except (OSError, asyncio.CancelledError):
            # Cancelled by ``cut`` alone; asyncio's server would log it as an error.
            pass
        finally:
            self._visits.discard(visit)
            writer.transport.abort()


class Doors:
    """Doors by name, each made when it is first asked for, and the same from then on."""

    def __init__(self) -> None:
        self._doors: dict[str, Door] = {}

    async def url(self, name: str, way: Callable[[], Awaitable[Streams]]) -> str:
        """The URL of a door; ``way`` is where it leads if it is not there yet."""
        if name not in self._doors:
            door = self._doors[name] = Door(way)
            await door.open()
        return self._doors[name].url

    async def cut(self, *names: str) -> None:
        """Cut those who came through these doors, as far as they are there."""
        await asyncio.gather(*(self._doors[name].cut() for name in names if name in self._doors))

    async def close(self) -> None:
        """Close all of them. Closing again is no error."""
        for door in self._doors.values():
            await door.close()
        self._doors.clear()


async def _join(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    inner_reader: asyncio.StreamReader,
    inner_writer: asyncio.StreamWriter,
) -> None:
    """Carry bytes both ways until either side ends."""
    ways = [
        asyncio.ensure_future(_carry(reader, inner_writer)),
        asyncio.ensure_future(_carry(inner_reader, writer)),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.wait(ways)
        inner_writer.transport.abort()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
