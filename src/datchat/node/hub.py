"""
This node's rooms and who is in them: the hot path of delivery.

A member that has received all that the room has is *live*: its cursor is the room's, so delivering costs one call and
no look at a cursor. Every other member is *aside*: it catches up from the log, or waits until its socket takes data
again. A member is exactly one of the two.

The gap rule: of a room's entries the hub delivers the next offset; a lower one is a repeat and dropped; a higher one
means that the feed missed something, and the room is read from its cursor. It makes the order of the feed irrelevant.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import structlog

from datchat.chat import wire
from datchat.chat.model import START, Cursor, Entry, Page, RoomId, User
from datchat.errors import BackendError, CursorLost
from datchat.node.metrics import NodeMetrics
from datchat.node.supervise import Supervisor, pause_s
from datchat.ports import Broker

log = structlog.get_logger("datchat.hub")

CATCH_UP_PAGE = 200
"""Entries in one read of a room or member that catches up."""
PATIENCE_S = 1.0
"""The longest pause of a catch-up while the store is away: what people wait for longer than for the store itself."""


class Receiver(Protocol):
    """What the hub needs of a connection."""

    user: User
    paused: bool
    send: Callable[[bytes], None]

    def lose_history(self, room: RoomId) -> None:
        """The log has diverged from what this client was shown: it has to start over."""
        ...


class HubRoom:
    """A room that has, or just had, members on this node."""

    __slots__ = (
        "_opened",
        "aside",
        "behind",
        "chain",
        "id",
        "idle_since",
        "live",
        "offset",
        "reading",
        "seen",
        "users",
    )

    def __init__(self, room: RoomId) -> None:
        self.id = room
        self.offset = 0
        self.chain = START.chain
        self.live: dict[Member, Callable[[bytes], None]] = {}
        self.aside: set[Member] = set()
        self.users: dict[str, tuple[User, int]] = {}
        """Of this node's connections: who, and with how many."""
        self.behind = False
        """The log has entries that were not delivered here: a catch-up is due."""
        self.reading: asyncio.Task[None] | None = None
        """The catch-up under way."""
        self.seen = 0
        """The highest offset that the feed brought before the room was open."""
        self.idle_since: float | None = None
        self._opened: asyncio.Future[None] | None = None

    @property
    def cursor(self) -> Cursor:
        return Cursor(self.offset, self.chain)

    def members(self) -> Iterable[Member]:
        yield from self.live
        yield from self.aside


class Member:
    """One connection in one room. ``cursor`` is what it has been sent; while it is live, the room's counts instead."""

    __slots__ = ("cursor", "held", "levelling", "read", "receiver", "room")

    def __init__(self, receiver: Receiver, room: HubRoom) -> None:
        self.receiver = receiver
        self.room = room
        self.cursor = START
        self.levelling = False
        self.held = True
        """Aside until released: its ``joined`` is not out yet, or it may ask for the next page itself."""
        self.read = 0

    @property
    def live(self) -> bool:
        return self in self.room.live


class Hub:
    """Rooms, members, delivery. All methods run on the node's event loop."""

    def __init__(self, broker: Broker, supervisor: Supervisor, metrics: NodeMetrics, rng: random.Random) -> None:
        self._broker = broker
        self._rng = rng
        self._supervisor = supervisor
        self._metrics = metrics
        self._rooms: dict[str, HubRoom] = {}
        self._topics = asyncio.Lock()
        self._delivering = False
        self._stalled: list[Member] = []

    # Rooms

    def get(self, room: str) -> HubRoom | None:
        return self._rooms.get(room)

    def rooms(self) -> list[HubRoom]:
        return list(self._rooms.values())

    async def open(self, room: RoomId) -> HubRoom:
        """
        The room, subscribed and level with the log as of now.

        Raises:
            NoSuchRoom, BackendError: It could not be opened; nothing is left behind.
        """
        while True:
            found = self._rooms.get(room)
            if found is None:
                return await self._open(room)
            if found._opened is None:
                return found
            # Somebody else is opening it. Their failure is not ours: look again.
            await asyncio.wait([found._opened])

    async def _open(self, room: RoomId) -> HubRoom:
        opening = self._rooms[room] = HubRoom(room)
        opening._opened = asyncio.get_running_loop().create_future()
        try:
            async with self._topics:
                await self._broker.subscribe(room)
            top = await self._broker.top(room)
        except BaseException:
            del self._rooms[room]
            raise
        finally:
            opening._opened.set_result(None)
            opening._opened = None
        opening.offset, opening.chain = top
        self._metrics.rooms.set(len(self._rooms))
        if opening.seen > opening.offset:
            self._fall_behind(opening)
        return opening

    async def sweep(self, now: float, linger_s: float) -> None:
        """Let go of the rooms that have had no member for ``linger_s``."""
        for room in list(self._rooms.values()):
            if room.live or room.aside or room._opened is not None:
                room.idle_since = None
            elif room.idle_since is None:
                room.idle_since = now
            elif now - room.idle_since >= linger_s and room.reading is None:
                async with self._topics:
                    # While we waited for the lock somebody may have come.
                    if room.live or room.aside or self._rooms.get(room.id) is not room:
                        continue
                    del self._rooms[room.id]
                    await self._broker.unsubscribe(room.id)
        self._metrics.rooms.set(len(self._rooms))

    # Members

    def add(self, room: HubRoom, receiver: Receiver) -> Member:
        """A new member, aside and held until ``release``."""
        member = Member(receiver, room)
        room.aside.add(member)
        self._metrics.aside.inc()
        user, count = room.users.get(receiver.user.id, (receiver.user, 0))
        room.users[receiver.user.id] = (user, count + 1)
        return member

    def remove(self, member: Member) -> None:
        room = member.room
        if room.live.pop(member, None) is None:
            room.aside.remove(member)
            self._metrics.aside.dec()
        user, count = room.users[member.receiver.user.id]
        if count > 1:
            room.users[user.id] = (user, count - 1)
        else:
            del room.users[user.id]

    def hold(self, member: Member) -> None:
        """Set a member aside until ``release``: it is about to be told where it stands."""
        member.held = True
        self._set_aside(member)

    def release(self, member: Member, cursor: Cursor) -> None:
        """The member has been sent everything up to ``cursor``: bring it level and keep it so."""
        member.held = False
        member.cursor = cursor
        self.level(member)

    def stall(self, member: Member) -> None:
        """The member's socket takes no more: set it aside where it stands."""
        # In the midst of a delivery the dictionaries must not change, and the room's cursor already counts what is
        # being written.
        if self._delivering:
            self._stalled.append(member)
        else:
            self._set_aside(member)

    def level(self, member: Member) -> None:
        """Make a member live, now if it has everything, else as soon as it has caught up from the log."""
        if member.live or member.held or member.levelling or member.receiver.paused:
            return
        if member.cursor.offset == member.room.offset:
            self._set_live(member)
            return
        member.levelling = True
        self._supervisor.spawn("catch-up", self._level(member))

    def _set_aside(self, member: Member) -> None:
        if member.room.live.pop(member, None) is not None:
            member.cursor = member.room.cursor
            member.room.aside.add(member)
            self._metrics.aside.inc()

    def _set_live(self, member: Member) -> None:
        member.room.aside.remove(member)
        member.room.live[member] = member.receiver.send
        self._metrics.aside.dec()

    async def _level(self, member: Member) -> None:
        room, failures = member.room, 0
        try:
            while member in room.aside and not member.held and not member.receiver.paused:
                if member.cursor.offset == room.offset:
                    self._set_live(member)
                    return
                if member.cursor.offset > room.offset:
                    # The client saw more on another node than this one has heard of yet.
                    await asyncio.wait([self._fall_behind(room)])
                cursor = member.cursor
                try:
                    page = await self._broker.read(room.id, cursor, CATCH_UP_PAGE)
                except BackendError:
                    failures += 1
                    await asyncio.sleep(pause_s(failures, self._rng, cap_s=PATIENCE_S))
                else:
                    # Another ``joined`` may have told it more meanwhile: then this page is old news.
                    if member.cursor == cursor:
                        self._send_page(member, page)
        except CursorLost:
            self._metrics.resets.inc()
            member.receiver.lose_history(room.id)
        finally:
            member.levelling = False

    def _send_page(self, member: Member, page: Page) -> None:
        # Held meanwhile, or gone: what was read is not for it any more.
        if member.held or member not in member.room.aside:
            return
        for entry in page.entries:
            # What is beyond the room's own cursor comes by the feed; a socket that is full takes the rest later.
            if entry.offset > member.room.offset or member.receiver.paused:
                return
            member.cursor = entry.cursor
            member.receiver.send(wire.text_frame(wire.entry_json(entry)))
            self._metrics.delivered.inc()

    # Delivery

    def deliver(self, entries: Sequence[Entry]) -> None:
        """Write a batch: each entry is encoded once, a room's frames are joined, each member gets one write."""
        frames: dict[HubRoom, list[bytes]] = {}
        for entry in entries:
            room = self._rooms.get(entry.room)
            if room is None:
                continue
            if room._opened is not None:
                room.seen = max(room.seen, entry.offset)
            elif entry.offset == room.offset + 1:
                room.offset, room.chain = entry.offset, entry.chain
                frames.setdefault(room, []).append(wire.text_frame(wire.entry_json(entry)))
            elif entry.offset > room.offset:
                self._metrics.gaps.inc()
                self._fall_behind(room)
        self._delivering = True
        try:
            for room, parts in frames.items():
                joined = parts[0] if len(parts) == 1 else b"".join(parts)
                for send in room.live.values():
                    send(joined)
                self._metrics.writes.inc(len(room.live))
                self._metrics.delivered.inc(len(room.live) * len(parts))
        finally:
            self._delivering = False
        if self._stalled:
            for member in self._stalled:
                self._set_aside(member)
            self._stalled.clear()

    def push(self, room: HubRoom, payload: bytes, except_user: str | None = None) -> None:
        """Tell the members something ephemeral. A socket that is full misses it."""
        frame = wire.text_frame(payload)
        for member in list(room.members()):
            receiver = member.receiver
            if not receiver.paused and not member.held and receiver.user.id != except_user:
                receiver.send(frame)

    def interrupted(self) -> None:
        """The feed may have missed anything: read every room from its cursor."""
        self._metrics.interruptions.inc()
        for room in self._rooms.values():
            if room._opened is None:
                self._fall_behind(room)
            else:
                room.seen = wire.MAX_OFFSET

    def _fall_behind(self, room: HubRoom) -> asyncio.Task[None]:
        room.behind = True
        if room.reading is None:
            room.reading = self._supervisor.spawn("room catch-up", self._catch_up(room))
        return room.reading

    async def _catch_up(self, room: HubRoom) -> None:
        """Deliver to a room what the log has after its cursor, until the log has no more."""
        failures = 0
        try:
            while room.behind and self._rooms.get(room.id) is room:
                # Set again by the feed when it brings something beyond while we read.
                room.behind = False
                try:
                    page = await self._broker.read(room.id, room.cursor, CATCH_UP_PAGE)
                except BackendError:
                    room.behind, failures = True, failures + 1
                    await asyncio.sleep(pause_s(failures, self._rng, cap_s=PATIENCE_S))
                    continue
                self.deliver(page.entries)
                room.behind = room.behind or page.more
        except CursorLost:
            self._start_over(room)
        finally:
            room.reading = None

    def _start_over(self, room: HubRoom) -> None:
        log.error("the log has diverged from what was shown", room=room.id, cursor=str(room.cursor))
        self._metrics.resets.inc()
        self._rooms.pop(room.id, None)
        for member in list(room.members()):
            member.receiver.lose_history(room.id)
