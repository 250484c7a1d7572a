"""A client's socket in memory: records what is sent, and can be stalled and woken as a full socket is."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

from datchat.node.connection import Connection


class FakeTransport:
    """Serves ``ports.Transport``. ``capacity`` is how many bytes it takes before it asks to pause."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed: tuple[int, str] | None = None
        self.pings = 0
        self.reading = True
        self.connection: Connection | None = None
        self.capacity: int | None = None
        self._buffered = 0
        self.on_send: Callable[[], None] = lambda: None

    def send(self, frames: bytes) -> None:
        if self.closed is not None:
            return
        self.written.append(frames)
        self._buffered += len(frames)
        if self.capacity is not None and self._buffered > self.capacity and not self._connection.paused:
            self._connection.paused_writing()
        self.on_send()

    def ping(self) -> None:
        self.pings += 1

    def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def stall(self) -> None:
        """The peer stops reading."""
        self.capacity, self._buffered = 0, 0

    def wake(self) -> None:
        """The peer has read everything."""
        self.capacity, self._buffered = None, 0
        self._connection.resumed_writing()

    @property
    def _connection(self) -> Connection:
        assert self.connection is not None
        return self.connection

    def frames(self) -> list[dict[str, Any]]:
        """Everything sent so far, frame by frame."""
        return [json.loads(payload) for payload in split_frames(b"".join(self.written))]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The frames of one type."""
        return [frame for frame in self.frames() if frame["type"] == kind]

    def offsets(self) -> list[int]:
        """The offsets of the room as the client sees them: those in ``joined``, then those pushed."""
        seen: list[int] = []
        for frame in self.frames():
            if frame["type"] == "joined":
                seen += [entry["offset"] for entry in frame["entries"]]
            elif frame["type"] == "entry":
                seen.append(frame["offset"])
        return seen


def split_frames(data: bytes) -> list[bytes]:
    """The payloads of whole, unmasked text frames (RFC 6455, section 5.2)."""
    payloads = []
    at = 0
    while at < len(data):
        assert data[at] == 0x81, "a final text frame"
        size, head = data[at + 1], 2
        if size == 126:
            (size,), head = struct.unpack_from("!H", data, at + 2), 4
        elif size == 127:
            (size,), head = struct.unpack_from("!Q", data, at + 2), 10
        payloads.append(data[at + head : at + head + size])
        at += head + size
    assert at == len(data), "frames end where the data ends"
    return payloads
