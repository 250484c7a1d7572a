"""A WebSocket client that does what it is told, right or wrong, frame by frame (RFC 6455); in asyncio."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import socket as socket_module
import struct
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

Push = dict[str, Any]


class Closed(Exception):
    """The server has closed; ``code`` is 1006 when it did so without a close frame."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


class RawSocket:
    """
    One connection. ``pushes`` are all that came; pings are answered while somebody receives, unless ``mute``.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.status = 0
        self.headers: dict[str, str] = {}
        self.pushes: list[Push] = []
        self.pongs: list[bytes] = []
        self.mute = False
        self._ids = 0

    @classmethod
    async def open(cls, url: str, token: str | None = None, *, receive_buffer: int = 0, **headers: str) -> Self:
        """Shake hands; ``status`` and ``headers`` hold the answer. ``headers`` are named with ``_`` for ``-``.

        ``receive_buffer`` bounds what the kernel takes in for this socket, in bytes.
        """
        parts = urlsplit(url)
        line = socket_module.socket()
        line.setblocking(False)
        if receive_buffer:
            line.setsockopt(socket_module.SOL_SOCKET, socket_module.SO_RCVBUF, receive_buffer)
        await asyncio.get_running_loop().sock_connect(line, (parts.hostname, parts.port))
        socket = cls(*await asyncio.open_connection(sock=line, limit=2**25))
        lines = {
            "Host": parts.netloc,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            **({"Authorization": f"Bearer {token}"} if token else {}),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        head = "GET /ws HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"
        socket._writer.write(head.encode())
        answer = (await socket._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        socket.status = int(answer[0].split(" ")[1])
        socket.headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in answer[1:]) if name
        }
        return socket

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.end()

    async def end(self) -> None:
        """Drop the connection."""
        self._writer.transport.abort()
        with contextlib.suppress(OSError):  # the server was faster
            await self._writer.wait_closed()

    # Sending

    def frame(self, opcode: int, payload: bytes, *, fin: bool = True, masked: bool = True, reserved: int = 0) -> None:
        """Send any frame."""
        size = len(payload)
        mark = 0x80 if masked else 0
        head = bytes((opcode | reserved | (0x80 if fin else 0),))
        if size < 126:
            head += bytes((mark | size,))
        elif size < 65536:
            head += struct.pack("!BH", mark | 126, size)
        else:
            head += struct.pack("!BQ", mark | 127, size)
        # A mask of zeros is a mask: the payload goes as it is.
        self._writer.write(head + (b"\0\0\0\0" if masked else b"") + payload)

    def send(self, kind: str, **fields: Any) -> None:
        """Send a command as it stands."""
        self.frame(TEXT, json.dumps({"type": kind, **fields}).encode())

    async def ask(self, kind: str, **fields: Any) -> Push:
        """Send a command with an id of its own; returns its answer."""
        self._ids += 1
        self.send(kind, id=self._ids, **fields)
        return await self.until(lambda push: push.get("id") == self._ids)

    async def refusal(self, kind: str, **fields: Any) -> str:
        """Send a command that is to be refused; returns the code."""
        answer = await self.ask(kind, **fields)
        assert answer["type"] == "refused", answer
        assert answer["message"], "a refusal says why"
        return str(answer["code"])

    # Receiving

    async def next(self) -> Push:
        """
        The next push.

        Raises:
            Closed: The server has closed.
        """
        while True:
            push = await self._take()
            if push is not None:
                return push

    async def until(self, wanted: str | Callable[[Push], bool], timeout_s: float = 10.0) -> Push:
        """The next push of a type, or for which a claim holds; the others stay in ``pushes``."""
        async with asyncio.timeout(timeout_s):
            while True:
                push = await self.next()
                if push["type"] == wanted if isinstance(wanted, str) else wanted(push):
                    return push

    async def seen(self, wanted: Callable[[Push], bool], timeout_s: float = 10.0) -> Push:
        """The first push for which a claim holds: one that has come already, or the next."""
        for push in self.pushes:
            if wanted(push):
                return push
        return await self.until(wanted, timeout_s)

    async def pong(self, timeout_s: float = 10.0) -> bytes:
        """Ping, and wait for the answer: everything sent before has been read by then."""
        token = os.urandom(8)
        self.frame(PING, token)
        async with asyncio.timeout(timeout_s):
            while token not in self.pongs:
                await self._take()
        return token

    def pause_reading(self) -> None:
        """Leave what comes to the kernel, as a client that hangs does."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    def resume_reading(self) -> None:
        self._writer.transport.resume_reading()  # type: ignore[attr-defined]

    async def closed(self, timeout_s: float = 10.0) -> Closed:
        """Read until the server closes."""
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    await self.next()
                except Closed as end:
                    return end

    def of(self, kind: str) -> list[Push]:
        """The pushes of one type that were received so far."""
        return [push for push in self.pushes if push["type"] == kind]

    async def _take(self) -> Push | None:
        """Take one frame in; returns it if it is a push."""
        opcode, payload = await self._frame()
        if opcode == TEXT:
            push: Push = json.loads(payload)
            self.pushes.append(push)
            return push
        if opcode == PING:
            if not self.mute:
                self.frame(PONG, payload)
        elif opcode == PONG:
            self.pongs.append(payload)
        elif opcode == CLOSE:
            self.frame(CLOSE, payload[:2])
            code = struct.unpack("!H", payload[:2])[0] if payload else 1005
            raise Closed(code, payload[2:].decode())
        return None

    async def _frame(self) -> tuple[int, bytes]:
        try:
            first, size = await self._reader.readexactly(2)
            if size == 126:
                (size,) = struct.unpack("!H", await self._reader.readexactly(2))
            elif size == 127:
                (size,) = struct.unpack("!Q", await self._reader.readexactly(8))
            assert first & 0x70 == 0, "a server sends no reserved bits"
            return first & 0x0F, await self._reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            raise Closed(1006) from None


Opened = Callable[..., Coroutine[Any, Any, RawSocket]]
"""The fixture ``opened``: takes a URL, a token and headers, and gives a socket that has been greeted."""
