"""A TCP proxy between a node and a Redis server, whose subscribed connections can be made deaf."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from support.redis_servers import HOST


class Proxy:
    """Passes everything on. ``port`` is where to connect to."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self.deaf = False
        """Connections that subscribe from now on hear nothing either."""
        self._target = target
        self._subscribed: set[asyncio.Event] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def deafen(self) -> int:
        """Pass nothing more to those connections that have subscribed so far; returns how many they are."""
        for hears in self._subscribed:
            hears.clear()
        return len(self._subscribed)

    def hear(self) -> None:
        """Everybody hears again, with what was held back."""
        self.deaf = False
        for hears in self._subscribed:
            hears.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        hears = asyncio.Event()
        hears.set()
        upstream_reader, upstream_writer = await asyncio.open_connection(HOST, self._target)
        try:
            there = self._up(reader, upstream_writer, hears)
            back = self._down(upstream_reader, writer, hears)
            ends = [asyncio.ensure_future(there), asyncio.ensure_future(back)]
            try:
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for end in ends:
                    end.cancel()
                await asyncio.gather(*ends, return_exceptions=True)
        finally:
            self._subscribed.discard(hears)
            self._tasks.discard(task)
            writer.close()
            upstream_writer.close()

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hears: asyncio.Event) -> None:
        while data := await reader.read(65536):
            if b"SUBSCRIBE" in data:
                self._subscribed.add(hears)
                if self.deaf:
                    hears.clear()
            writer.write(data)

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hears: asyncio.Event) -> None:
        while data := await reader.read(65536):
            await hears.wait()
            writer.write(data)


@asynccontextmanager
async def proxy(target: int) -> AsyncIterator[Proxy]:
    """A proxy to a local port."""
    opened = Proxy(target)
    await opened.start()
    try:
        yield opened
    finally:
        await opened.stop()
