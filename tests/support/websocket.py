"""A WebSocket client for tests that are not about sockets: blocking, one frame at a time (RFC 6455)."""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
import time
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

PATIENCE_S = 10.0


class Refused(Exception):
    """The handshake was answered with another status than 101."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the handshake was answered with {status}")
        self.status = status


class Socket:
    """
    An open socket of somebody who holds a session's token.

    Raises:
        Refused: The server does not open one.
    """

    def __init__(self, url: str, token: str | None = None, **headers: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._socket = socket.create_connection((parts.hostname, parts.port or 80), timeout=PATIENCE_S)
        self._deadline = time.monotonic() + PATIENCE_S
        self._buffer = b""
        self._silent = False
        self.last: dict[str, Any] = {}
        """The last frame that was received."""
        lines = {
            "Host": parts.netloc,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            **({"Authorization": f"Bearer {token}"} if token else {}),
            **headers,
        }
        head = "GET /ws HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"
        self._socket.sendall(head.encode())
        status = int(self._until(b"\r\n\r\n").split(b" ", 2)[1])
        if status != 101:
            self._socket.close()
            raise Refused(status)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def send(self, command: str, **fields: Any) -> None:
        """Send a command."""
        self._frame(0x1, json.dumps({"type": command, **fields}).encode())

    def receive(self, within_s: float = PATIENCE_S) -> dict[str, Any]:
        """
        The next push, within so many seconds.

        Raises:
            EOFError: The server has closed; ``args[0]`` is the code.
            TimeoutError: Nothing came.
        """
        self._deadline = time.monotonic() + within_s
        while True:
            opcode, payload = self._next()
            if opcode == 0x8:
                raise EOFError(struct.unpack("!H", payload[:2])[0] if payload else 1005)
            if opcode == 0x9 and not self._silent:
                self._frame(0xA, payload)
            elif opcode == 0x1:
                self.last = json.loads(payload)
                return self.last

    def until(self, kind: str) -> dict[str, Any]:
        """The next push of a type; others are passed over."""
        while self.receive()["type"] != kind:
            pass
        return self.last

    def closed(self, within_s: float, *, silently: bool = False) -> int:
        """
        Wait for the server's close; returns its code. ``silently`` answers no ping meanwhile.

        Raises:
            TimeoutError: It did not close.
        """
        self._silent = silently
        deadline = time.monotonic() + within_s
        try:
            while True:
                self.receive(deadline - time.monotonic())
        except EOFError as end:
            return int(end.args[0])

    def _next(self) -> tuple[int, bytes]:
        first, size = self._bytes(2)
        if size == 126:
            (size,) = struct.unpack("!H", self._bytes(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self._bytes(8))
        return first & 0x0F, self._bytes(size)

    def _frame(self, opcode: int, payload: bytes) -> None:
        size = struct.pack("!B", 0x80 | len(payload))
        if len(payload) > 125:
            size = struct.pack("!BH", 0x80 | 126, len(payload))
        # A mask of zeros is a mask: the payload goes as it is.
        self._socket.sendall(bytes([0x80 | opcode]) + size + b"\0\0\0\0" + payload)

    def _until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            self._more()
        found, self._buffer = self._buffer.split(end, 1)
        return found

    def _bytes(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._more()
        found, self._buffer = self._buffer[:count], self._buffer[count:]
        return found

    def _more(self) -> None:
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._socket.settimeout(left_s)
        data = self._socket.recv(65536)
        if not data:
            raise EOFError(1006)
        self._buffer += data
