"""Readers that cost next to nothing: they count what is delivered to them and throw it away."""

from __future__ import annotations

import asyncio
import base64
import os
from urllib.parse import urlsplit

from datchat.chat import wire

MARK = b'{"type":"entry"'


class Sink(asyncio.Protocol):
    """One socket in one room. ``entries`` is how many were pushed to it; answers no pings."""

    def __init__(self, host: str, token: str, room: str) -> None:
        self._host = host
        self._token = token
        self._room = room
        self._tail = b""
        self.entries = 0
        self.joined: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        head = (
            f"GET /ws HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nAuthorization: Bearer {self._token}\r\n\r\n"
        )
        transport.write(head.encode())

    def data_received(self, data: bytes) -> None:
        if not self.joined.done():
            self._tail += data
            if b'"type":"joined"' in self._tail:
                self.joined.set_result(None)
                self._tail = b""
            elif b'"type":"hello"' in self._tail and b"asked" not in self._tail:
                self._tail += b"asked"
                command = wire.encode({"type": "join", "room": self._room, "limit": 1})
                self.transport.write(bytes((0x81, 0x80 | len(command))) + b"\0\0\0\0" + command)
            return
        # A mark may lie across two reads.
        whole = self._tail + data
        self.entries += whole.count(MARK)
        self._tail = whole[-len(MARK) + 1 :]


async def sinks(url: str, token: str, room: str, count: int) -> list[Sink]:
    """So many sinks, all joined."""
    parts = urlsplit(url)
    opened = []
    for _ in range(count):
        _, sink = await asyncio.get_running_loop().create_connection(
            lambda: Sink(parts.netloc, token, room), parts.hostname, parts.port
        )
        opened.append(sink)
        await sink.joined
    return opened
