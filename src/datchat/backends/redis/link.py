"""
One connection to a Redis server or a sentinel (RESP2), on ``hiredis.Reader``.

A connection of our own, because WAIT speaks of the writes of its connection, because a hung server has to be noticed,
and because a reader of pub/sub in Python costs more than everything else on the way (docs/decisions/011). It is for
one event loop; it never reconnects: whoever holds it opens another.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Callable, Sequence
from socket import SO_LINGER, SOL_SOCKET
from typing import Any

import hiredis

from datchat.backends.redis.faults import ReplyFault, too_old, translate
from datchat.backends.redis.url import Access, Address
from datchat.errors import ConfigurationError

CONNECT_S = 0.5
"""Seconds for a connection and its greeting."""

Word = str | bytes | int
Command = tuple[Word, ...]


class Link(asyncio.Protocol):
    """A connection. ``address`` is where to; ``version`` and ``mode`` are what the server said of itself."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.version = ""
        self.mode = ""
        self.scripts_loaded = False
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reader = hiredis.Reader(protocolError=ConnectionError, replyError=ReplyFault)
        self._pending: deque[_Pending] = deque()
        self._listener: Callable[[list[Any]], None] | None = None
        self._transport: asyncio.Transport | None = None

    @property
    def alive(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    async def pipeline(self, commands: Sequence[Command], deadline_s: float) -> list[Any]:
        """
        Send commands in one write; returns an answer for each, error replies as ``ReplyFault`` values in their places.

        Raises:
            TimeoutError, ConnectionError: Not all answers came; the connection is closed.
        """
        return await self.exchange(pack(commands), len(commands), deadline_s)

    async def exchange(self, commands: bytes, count: int, deadline_s: float) -> list[Any]:
        """``pipeline`` for commands that are packed already, ``count`` of them."""
        if not self.alive:
            raise ConnectionError("closed")
        waiter: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._pending.append(_Pending(count, waiter))
        self._write(commands)
        try:
            async with asyncio.timeout(deadline_s):
                return await waiter
        except TimeoutError:
            self.abort()
            raise

    async def call(self, *command: Word, deadline_s: float) -> Any:
        """
        Send one command; returns its answer.

        Raises:
            ReplyFault: The answer is an error.
            TimeoutError, ConnectionError: As for ``pipeline``.
        """
        (reply,) = await self.pipeline([command], deadline_s)
        if isinstance(reply, ReplyFault):
            raise reply
        return reply

    def forget(self, commands: Sequence[Command]) -> None:
        """Send commands and drop their answers. Ignored once closed."""
        if commands and self.alive:
            self._pending.append(_Pending(len(commands), None))
            self._write(pack(commands))

    def listen(self, listener: Callable[[list[Any]], None]) -> None:
        """From now on give all that comes in one read to ``listener``: for a connection that subscribes."""
        self._listener = listener

    def send(self, *command: Word) -> None:
        """Send a command whose answer comes to the listener. Ignored once closed."""
        if self.alive:
            self._write(pack([command]))

    def abort(self) -> None:
        """Close at once. What waits for answers gets ``ConnectionError``."""
        if self._transport is not None:
            self._transport.abort()

    def _write(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        socket = transport.get_extra_info("socket")
        if socket is not None:
            # Once given up, nothing that is still on its way may arrive: it would undo what came after it.
            socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            if self._listener is not None:
                self._hand_over(self._listener)
            else:
                self._answer()
        except ConnectionError:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        for pending in self._pending:
            if pending.waiter is not None and not pending.waiter.done():
                pending.waiter.set_exception(ConnectionError("lost"))
        self._pending.clear()
        if not self.closed.done():
            self.closed.set_result(None)

    def _answer(self) -> None:
        while (reply := self._reader.gets()) is not False:
            if not self._pending:
                raise ConnectionError("an answer that nobody asked for")
            pending = self._pending[0]
            pending.replies.append(reply)
            if len(pending.replies) == pending.count:
                self._pending.popleft()
                if pending.waiter is not None and not pending.waiter.done():
                    pending.waiter.set_result(pending.replies)

    def _hand_over(self, listener: Callable[[list[Any]], None]) -> None:
        replies = []
        while (reply := self._reader.gets()) is not False:
            replies.append(reply)
        if replies:
            listener(replies)


def pack(commands: Sequence[Command]) -> bytes:
    """
    Commands as they go over the wire.

    Raises:
        UnicodeEncodeError: A word is no text that can be written down.
    """
    return b"".join(hiredis.pack_command(command) for command in commands)  # type: ignore[arg-type]


class _Pending:
    """Answers that are awaited; ``waiter`` is None when nobody reads them."""

    __slots__ = ("count", "replies", "waiter")

    def __init__(self, count: int, waiter: asyncio.Future[list[Any]] | None) -> None:
        self.count = count
        self.waiter = waiter
        self.replies: list[Any] = []


async def connect(address: Address, access: Access, deadline_s: float = CONNECT_S) -> Link:
    """
    Open a connection and say hello.

    Raises:
        Unavailable: It can't be opened now.
        ConfigurationError: It can't be opened as things are: a wrong password, a version that is too old…
    """
    link: Link | None = None
    try:
        async with asyncio.timeout(deadline_s):
            _, link = await asyncio.get_running_loop().create_connection(
                lambda: Link(address),
                address.host,
                address.port,
                ssl=access.tls,
                server_hostname=address.host if access.tls else None,
            )
        await _greet(link, access, deadline_s)
    except BaseException as error:
        if link is not None:
            link.abort()
        if isinstance(error, Exception):
            raise translate(error, address, sent=False) from error
        raise
    return link


async def _greet(link: Link, access: Access, deadline_s: float) -> None:
    hello: Command = ("HELLO", 2)
    if access.password is not None:
        hello = (*hello, "AUTH", access.user or "default", access.password)
    select: list[Command] = [("SELECT", access.db)] if access.db else []
    replies = await link.pipeline([hello, *select], deadline_s)
    for reply in replies:
        if isinstance(reply, ReplyFault):
            raise reply
    said = dict(zip(replies[0][::2], replies[0][1::2], strict=True))
    link.version, link.mode = said[b"version"].decode(), said[b"mode"].decode()
    if _numbers(link.version) < (6, 2):
        raise too_old(link.address, link.version)


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of ``7.0.15`` or ``8.0.0-rc1``."""
    numbers = []
    for part in version.split(".")[:2]:
        digits = "".join(character for character in part if character.isdigit())
        numbers.append(int(digits or 0))
    return tuple(numbers)


def expect(link: Link, mode: str) -> None:
    """
    Check that the other side is what the URL takes it for: ``standalone`` or ``sentinel``.

    Raises:
        ConfigurationError: It is something else.
    """
    if link.mode == mode:
        return
    if link.mode == "sentinel":
        raise ConfigurationError(f"{link.address} is a sentinel: use redis+sentinel://{link.address}/mymaster")
    if link.mode == "cluster":
        raise ConfigurationError(f"{link.address} belongs to a Redis Cluster, which is not served yet")
    raise ConfigurationError(f"{link.address} is no sentinel: use redis://{link.address}")
