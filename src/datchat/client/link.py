"""
A connection kept alive: one socket after another, to one address after another, until it is ended for good.

It knows hello, bye, close codes and signs of life; nothing of rooms and posts, which are its owner's.
"""

from __future__ import annotations

import asyncio
import os
import random
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from datchat.chat import wire
from datchat.client.backoff import Backoff
from datchat.client.errors import Ended
from datchat.client.options import Options
from datchat.client.pushes import ENTRY_HEAD, Bye, Hello, Push, decode_push
from datchat.client.socket import ABNORMAL, HandshakeRefused, Loss, Socket
from datchat.client.urls import socket_url
from datchat.errors import CloseCode

_RETRIED_STATUS = frozenset({408, 425, 429})
"""HTTP statuses below 500 that may be another one next time."""


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Whom a link tells what happens, in the order in which it happened. None of these waits."""

    greeted: Callable[[Hello, str], None]
    """A connection to this URL is up: everything may be sent."""
    entry: Callable[[bytes], None]
    """An ``entry`` push has come."""
    push: Callable[[Push], None]
    """Any other push but ``hello`` and ``bye`` has come."""
    lost: Callable[[Loss], None]
    """A connection that was greeted is gone; what was not answered on it never will be."""
    unanswered_since: Callable[[], float | None]
    """When did the longest wait for an answer begin?"""


class Link:
    """See ``run``. ``connected`` says whether the present connection has been greeted."""

    def __init__(
        self,
        urls: Sequence[str],
        token: str | None,
        owner: Owner,
        options: Options,
        clock: Callable[[], float],
        rng: random.Random,
        ssl_context: ssl.SSLContext | None,
    ) -> None:
        self._urls = [socket_url(url) for url in urls]
        if not self._urls:
            raise ValueError("a client needs a URL")
        self._token = token
        self._owner = owner
        self._options = options
        self._clock = clock
        self._backoff = Backoff(rng, options.backoff_s, options.backoff_cap_s)
        self._ssl = ssl_context
        self._url = self._urls[0]
        self._socket: Socket | None = None
        self._bye: Bye | None = None
        self._ping_s = 0.0
        self._connect_s = 0.0
        self._watch: asyncio.TimerHandle | None = None
        self._paused = False
        self.connected = False
        self.trouble: Loss | None = None
        """How the connection before this one ended, or why there is none."""

    async def run(self) -> NoReturn:
        """
        Connect, and again whenever the connection is lost: at once after the pause that ``bye`` asked for, else with
        full jitter, to the next address each time.

        Raises:
            Ended: The server wants this client back no more.
        """
        turn = 0
        while True:
            self._url = self._urls[turn % len(self._urls)]
            self._bye = None
            loss, lived_s = await self._connection()
            if CloseCode.SESSION_ENDED <= loss.code <= 4999:
                raise Ended(loss.code, loss.reason)
            if lived_s >= self._options.stable_s:
                self._backoff.reset()
            turn += 1
            pause_s = self._backoff.next()
            if self._bye is not None and self._bye.retry_after_ms is not None:
                pause_s = self._bye.retry_after_ms / 1000
            await asyncio.sleep(pause_s)

    def send(self, payload: bytes) -> None:
        """Hand over a text frame; ignored while not connected."""
        if self.connected and self._socket is not None:
            self._socket.send(payload)

    async def close(self) -> None:
        """Say goodbye on the present connection, if there is one. ``run`` is to be cancelled after."""
        socket = self._socket
        if socket is not None and self.connected and not socket.lost.done():
            socket.close()
            await asyncio.wait([socket.lost], timeout=1)

    def pause_reading(self) -> None:
        """Stop reading sockets, this one and later ones, until ``resume_reading``."""
        self._paused = True
        if self._socket is not None:
            self._socket.pause_reading()

    def resume_reading(self) -> None:
        self._paused = False
        if self._socket is not None:
            self._socket.seen_at = self._clock()
            self._socket.resume_reading()

    async def _connection(self) -> tuple[Loss, float]:
        """One connection from its beginning to its end: how it ended, and how long it lived after the handshake."""
        socket = self._socket = Socket(self._receive, self._clock)
        loss, lived_s = Loss(ABNORMAL, "given up"), 0.0
        self._connect_s = self._backoff.grown(self._options.first_connect_s, self._options.connect_s)
        try:
            await socket.open(self._url, self._token, self._connect_s, self._ssl)
            opened_at = self._clock()
            if self._paused:
                socket.pause_reading()
            self._look(socket, opened_at)
            loss = await socket.lost
            if self.connected:
                lived_s = self._clock() - opened_at
        except HandshakeRefused as refusal:
            if 400 <= refusal.status < 500 and refusal.status not in _RETRIED_STATUS:
                raise Ended(refusal.status, refusal.message) from refusal
            loss = Loss(ABNORMAL, str(refusal))
        except OSError as error:  # TimeoutError is one
            loss = Loss(ABNORMAL, _reason(error))
        finally:
            socket.abort("given up")
            self._socket = None
            self._leave(loss)
        if socket.fault is not None and not isinstance(socket.fault, ValueError):
            raise socket.fault
        return loss, lived_s

    def _leave(self, loss: Loss) -> None:
        self.trouble = loss
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if self.connected:
            self.connected = False
            self._owner.lost(loss)

    def _look(self, socket: Socket, opened_at: float) -> None:
        """See whether the server still lives, now and again and again."""
        now = self._clock()
        if self._paused:
            socket.seen_at = opened_at = now
        reason = self._fault(socket, opened_at, now)
        if reason is not None:
            socket.abort(reason)
            return
        if self.connected and now - socket.seen_at >= self._ping_s:
            socket.ping()
        limit_s = min(self._ping_s, self._options.answer_s) if self.connected else self._connect_s
        self._watch = asyncio.get_running_loop().call_later(limit_s / 4, self._look, socket, opened_at)

    def _fault(self, socket: Socket, opened_at: float, now: float) -> str | None:
        """Why this connection is no good, if it isn't."""
        options = self._options
        if not self.connected:
            return "no hello" if now - opened_at >= self._connect_s else None
        if now - socket.seen_at >= options.silence_pings * self._ping_s:
            return "no sign of life"
        since = self._owner.unanswered_since()
        if since is not None and not self._paused and now - since >= options.answer_s:
            return "no answer"
        return None

    def _receive(self, socket: Socket, frame: bytes) -> None:
        if self._socket is not socket:
            return
        if frame.startswith(ENTRY_HEAD):
            self._owner.entry(frame)
            return
        push = decode_push(frame)
        if isinstance(push, Hello):
            if push.protocol != wire.PROTOCOL:
                raise Ended(CloseCode.VERSION, f"the server speaks protocol {push.protocol}")
            self.connected = True
            self._ping_s = push.ping_s
            self._owner.greeted(push, self._url)
        elif isinstance(push, Bye):
            self._bye = push
        elif push is not None:
            self._owner.push(push)


def _reason(error: OSError) -> str:
    """Why there was no connection, the same on every event loop."""
    if isinstance(error, ConnectionError) and error.errno is not None:
        return os.strerror(error.errno)
    return str(error) or ("no answer in time" if isinstance(error, TimeoutError) else type(error).__name__)
