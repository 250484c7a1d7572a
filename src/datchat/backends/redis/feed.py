"""
What the nodes tell each other, heard on a connection of its own.

The connection is pinged, and given up after a second of silence: one that hangs would look like a quiet evening. When
it stands anew, something may have been missed, and ``Interrupted`` says so.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

import msgspec
import structlog

from datchat.backends.feed import Feed
from datchat.backends.redis import keys
from datchat.backends.redis.backoff import pause_s
from datchat.backends.redis.faults import ReplyFault, translate
from datchat.backends.redis.link import Link, connect
from datchat.backends.redis.topology import Topology
from datchat.backends.redis.url import Address
from datchat.chat import wire
from datchat.chat.model import CONTROL, START, Cursor, Entry, Notice, RoomId, Signal
from datchat.errors import BackendError, ConfigurationError

log = structlog.get_logger("datchat.redis")

PING_S = 0.4
DEAD_S = 1.0
"""Seconds of silence after which the connection is taken for dead."""

_FLUSH = b"flush"
_ENTRY = b'{"type":"entry",'
_signals: msgspec.json.Decoder[Signal] = msgspec.json.Decoder(Signal)
_encode = msgspec.json.Encoder().encode


def notice(signal: Signal) -> bytes:
    """A signal as it is published on its topic."""
    return _encode(signal)


class Subscription:
    """The topics of this node, and what comes of them into ``feed``."""

    def __init__(self, topology: Topology, feed: Feed, rng: random.Random) -> None:
        self.heard: dict[str, Cursor] = {}
        """The last entry of each subscribed room that came; ``START`` at first."""
        self._topology = topology
        self._feed = feed
        self._rng = rng
        self._loop = asyncio.get_running_loop()
        self._topics: set[str] = set()
        self._unconfirmed: dict[str, list[asyncio.Future[None]]] = {}
        self._link: Link | None = None
        self._last_word = 0.0
        self.ready: asyncio.Future[None] = self._loop.create_future()
        """Done once the first connection stands."""
        self._fault: ReplyFault | None = None
        self._flushed: asyncio.Future[None] = self._loop.create_future()
        self._flushing = False
        """The answer to ``flush`` has come."""

    @property
    def rooms(self) -> list[RoomId]:
        """The subscribed rooms."""
        return [RoomId(topic) for topic in self._topics if topic != CONTROL]

    async def subscribe(self, topic: str) -> None:
        """
        Hear a topic: when this returns, either nothing of it is missed from now on, or ``Interrupted`` will follow.
        """
        self._feed.subscribe(topic)
        self._topics.add(topic)
        self.heard.setdefault(topic, START)
        link = self._link
        if link is None or not link.alive:
            return
        confirmed = self._loop.create_future()
        self._unconfirmed.setdefault(topic, []).append(confirmed)
        link.send("SUBSCRIBE", keys.channel(topic))
        await asyncio.wait([confirmed, link.closed], return_when=asyncio.FIRST_COMPLETED)

    async def unsubscribe(self, topic: str) -> None:
        self._feed.unsubscribe(topic)
        self._topics.discard(topic)
        self.heard.pop(topic, None)
        if self._link is not None:
            self._link.send("UNSUBSCRIBE", keys.channel(topic))

    async def flush(self) -> None:
        """Return when all that was told so far has been heard, or can't be."""
        link = self._link
        if link is not None and link.alive:
            self._flushed = self._loop.create_future()
            link.send("PING", _FLUSH)
            await asyncio.wait([self._flushed, link.closed], timeout=DEAD_S, return_when=asyncio.FIRST_COMPLETED)

    def note(self, entry: Entry) -> bool:
        """Whether an entry is beyond all that was heard of its room; it is heard now."""
        known = self.heard.get(entry.room)
        if known is None or entry.offset <= known.offset:
            return False
        self.heard[entry.room] = entry.cursor
        return True

    def switched(self, master: Address) -> None:
        """The master is another: what is told is told there."""
        if self._link is not None and self._link.address != master:
            self._link.abort()

    async def run(self) -> None:
        """Hear, for ever. To be kept alive as a task."""
        failures = 0
        while True:
            master = await self._topology.master()
            try:
                began = self._loop.time()
                await self._hear(master)
            except (BackendError, ConfigurationError, TimeoutError, ConnectionError, ReplyFault) as error:
                reason = str(translate(error, master, sent=False))
                log.warning("the feed is lost", reason=reason, master=str(master))
                self._topology.doubt(reason, master)
                failures = failures + 1 if self._loop.time() - began < 5 else 0
            await asyncio.sleep(pause_s(failures, self._rng, base_s=0.02, cap_s=1.0))

    async def _hear(self, master: Address) -> None:
        link = await connect(master, self._topology.finder.access)
        self._fault = None
        try:
            self._last_word = self._loop.time()
            link.listen(partial(self._take, link))
            await self._resubscribe(link)
            silent_s = PING_S
            while link.alive:
                # What has just said something need not be asked whether it lives.
                if silent_s >= PING_S:
                    link.send("PING")
                await asyncio.wait([link.closed], timeout=PING_S)
                silent_s = self._loop.time() - self._last_word
                if silent_s > DEAD_S:
                    raise TimeoutError
        finally:
            self._link = None
            link.abort()
            self._confirm_all()
        if self._fault is not None:
            raise self._fault
        if self._topology.current == master:
            raise ConnectionError("lost")

    async def _resubscribe(self, link: Link) -> None:
        waiting = []
        for topic in self._topics:
            confirmed = self._loop.create_future()
            self._unconfirmed.setdefault(topic, []).append(confirmed)
            waiting.append(confirmed)
        if waiting:
            link.send("SUBSCRIBE", *map(keys.channel, self._topics))
        # From here on new topics are subscribed on this connection too.
        self._link = link
        if waiting:
            async with asyncio.timeout(DEAD_S):
                await asyncio.gather(*waiting)
            if not link.alive:
                return
        if self.ready.done() or waiting:
            self._feed.interrupt(f"the feed from {link.address} began anew")
        if not self.ready.done():
            self.ready.set_result(None)

    def _confirm_all(self) -> None:
        """The connection is gone: who waited for a confirmation has ``Interrupted`` to come instead."""
        for waiters in self._unconfirmed.values():
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)
        self._unconfirmed.clear()

    def _take(self, link: Link, replies: list[Any]) -> None:
        self._last_word = self._loop.time()
        events: list[Entry | Notice] = []
        for reply in replies:
            if type(reply) is list and reply[0] == b"message":
                self._read(reply[1], reply[2], events)
            elif isinstance(reply, ReplyFault):
                self._fault = reply
                link.abort()
            else:
                self._heed(reply)
        if events:
            self._feed.publish(events)
        if self._flushing and not self._flushed.done():
            self._flushed.set_result(None)

    def _heed(self, reply: Any) -> None:
        """What is no news: answers to our own commands."""
        # Without a subscription a ping is answered plainly.
        if reply in (_FLUSH, [b"pong", _FLUSH]):
            self._flushing = True
        elif isinstance(reply, list) and reply[0] == b"subscribe":
            for waiter in self._unconfirmed.pop(keys.topic(reply[1]), ()):
                if not waiter.done():
                    waiter.set_result(None)

    def _read(self, channel: bytes, payload: bytes, events: list[Entry | Notice]) -> None:
        try:
            for line in payload.split(b"\n"):
                if line.startswith(_ENTRY):
                    entry = wire.parse_entry(line)
                    self.note(entry)
                    events.append(entry)
                else:
                    events.append(Notice(keys.topic(channel), _signals.decode(line)))
        except (ValueError, msgspec.DecodeError):
            self._feed.publish(events)
            events.clear()
            self._feed.interrupt("something came through the feed that can't be read")


class Heads(Protocol):
    """How the logs end, as far as it is safe."""

    async def tops(self, rooms: Sequence[RoomId]) -> dict[RoomId, Cursor]:
        """The top of each of these rooms that exists."""
        ...

    async def last(self, room: RoomId) -> Entry | None:
        """The last entry of a room."""
        ...


class Sweep:
    """
    Compares the tops of the subscribed rooms with what was heard, every second: a node may die after it stored an entry
    and before it told of it. Its readings also keep watch over an idle store.
    """

    PERIOD_S = 1.0
    IDLE_PERIODS = 10
    """How seldom it looks while no room is subscribed: each look is a write, and many nodes sit idle for long."""

    def __init__(self, heads: Heads, subscription: Subscription, feed: Feed) -> None:
        self._heads = heads
        self._subscription = subscription
        self._feed = feed
        self._before: dict[RoomId, Cursor] = {}
        self._idle = 0

    async def run(self) -> None:
        """Sweep, for ever. To be kept alive as a task."""
        while True:
            await asyncio.sleep(self.PERIOD_S)
            if not self.due():
                continue
            try:
                await self.sweep()
            except BackendError:
                continue  # a store that is away is told of otherwise

    def due(self) -> bool:
        """Whether this period wants a look; to be asked once in each."""
        self._idle = 0 if self._subscription.rooms else (self._idle + 1) % self.IDLE_PERIODS
        return self._idle == 0

    async def sweep(self) -> None:
        """One look."""
        before, self._before = self._before, await self._heads.tops(self._subscription.rooms)
        heard = self._subscription.heard
        for room, top in self._before.items():
            known = heard.get(room)
            if known is None:
                continue
            if top.offset < known.offset or (top.offset == known.offset and top != known):
                heard[room] = top
                self._feed.interrupt(f"the log of {room} is not the one that was heard of")
            elif room in before and known.offset < before[room].offset:
                # It was there a second ago, and nobody has told of it since.
                entry = await self._heads.last(room)
                if entry is not None and self._subscription.note(entry):
                    self._feed.publish([entry])
