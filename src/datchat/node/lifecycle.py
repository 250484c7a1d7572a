"""
One running node: start, pump the feed, drain, stop.

A node holds nothing that matters: kill it, and its clients go on elsewhere from their cursors.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence

import structlog
from prometheus_client import CollectorRegistry

from datchat.chat import wire
from datchat.chat.model import (
    CONTROL,
    Canary,
    Entry,
    Event,
    Interrupted,
    Notice,
    ReadMarked,
    Room,
    RoomChanged,
    RoomId,
    RosterChanged,
    SessionEnded,
    Signal,
    StoreState,
    Typing,
    User,
)
from datchat.errors import BackendError, CloseCode, Unavailable
from datchat.node.attendance import Attendance
from datchat.node.connection import Connection
from datchat.node.directory import Directory, room_fields, tell_nodes
from datchat.node.grace import Grace
from datchat.node.hub import Hub
from datchat.node.limits import Limits
from datchat.node.metrics import BackendCounts, NodeMetrics
from datchat.node.posting import Posting
from datchat.node.readiness import Readiness
from datchat.node.supervise import Supervisor, pause_s
from datchat.ports import Backend, Session, Transport

log = structlog.get_logger("datchat.node")

SLOTS = 16
"""Pings are spread: in each sixteenth of ``ping_s`` a sixteenth of the connections is looked at."""
LEAD_S = 0.8
"""
How long a node that goes down leaves its sockets alone at first: balancers look at readiness each 0.7 s, and one that
has not looked yet would send those who come back to the node that they were sent away from.
"""
FINISH_S = 3.0
"""How long a drain waits for posts under way. What the store has not confirmed by then it may be failing over for."""


class Node:
    """
    A web process's share of the chat: what sockets and HTTP call.

    ``clock`` is a monotonic clock in seconds, ``wall`` gives milliseconds since 1970.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        name: str,
        addresses: Sequence[str] = (),
        limits: Limits | None = None,
        registry: CollectorRegistry | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        rng: random.Random | None = None,
    ) -> None:
        self.name = name
        self.addresses = tuple(addresses)
        self.limits = limits or Limits()
        self.broker = backend.broker
        self.accounts = backend.accounts
        self.rooms = backend.rooms
        self.presence = backend.presence
        self.now = clock
        self.wall = wall
        self.draining = False
        self.registry = registry or CollectorRegistry()
        self.metrics = NodeMetrics(self.registry)
        self.registry.register(BackendCounts(backend.counts))
        self._rng = rng or random.Random()
        self.supervisor = Supervisor(self._rng, lambda task: self.metrics.task_failures.labels(task).inc())
        self.hub = Hub(self.broker, self.supervisor, self.metrics, self._rng)
        self.directory = Directory(self.rooms, self.broker, wall)
        self.posting = Posting(name, self.broker, self.directory, self.limits, self.metrics, clock, wall)
        # What sockets and HTTP call; Posting and Directory say what each guarantees and raises.
        self.post = self.posting.post
        self.enter = self.directory.enter
        self.update_room = self.directory.update_room
        self.add_member = self.directory.add_member
        self.remove_member = self.directory.remove_member
        self.mark_read = self.directory.mark_read
        self.attendance = Attendance(name, self.presence, self.broker, self.hub, self.limits.lease_s)
        self.grace = Grace(self.limits.session_grace_s, self.store_state, clock, wall)
        self.readiness = Readiness(name, self.broker, clock, self.limits.ready_s)
        self._connections: set[Connection] = set()
        self._slots: list[set[Connection]] = [set() for _ in range(SLOTS)]
        self._slot = 0
        self._pump: asyncio.Task[None] | None = None

    # Lifecycle

    async def start(self) -> None:
        """
        Begin to hear the cluster and to keep house. A store that is away is waited for in the background.
        """
        self._pump = self.supervisor.keep("feed", self._hear)
        try:
            await self.broker.subscribe(CONTROL)
        except BackendError as error:
            log.warning("the node starts without its store", reason=str(error))
            self.supervisor.keep("control", self._subscribe)
        limits = self.limits
        self._every("pings", limits.ping_s / SLOTS, self._look)
        self._every("roster", limits.roster_s, self.attendance.gather)
        self._every("leases", limits.lease_s / 3, self.attendance.renew)
        self._every("sessions", limits.session_check_s, self._check_sessions)
        self._every("members", limits.session_check_s, self._check_members)
        self._every("sweep", min(5.0, limits.linger_s / 2), self._sweep)

    async def drain(self, grace_s: float) -> None:
        """
        Send everybody elsewhere, spread over ``grace_s`` so that they don't come back as a herd, and let the posts
        under way finish.
        """
        self.draining = True
        began = self.now()
        lead_s = min(LEAD_S, grace_s / 2)
        await asyncio.sleep(lead_s)
        connections = list(self._connections)
        self._rng.shuffle(connections)
        for done, connection in enumerate(connections):
            early_s = began + lead_s + (grace_s - lead_s) * done / len(connections) - self.now()
            if early_s > 0.01:
                await asyncio.sleep(early_s)
            self._send_on(connection)
        # Who was let in before the drain and shook hands during it.
        for connection in list(self._connections):
            self._send_on(connection)
        try:
            async with asyncio.timeout(min(FINISH_S, self.limits.post_deadline_s)):
                await self.posting.finished()
        except TimeoutError:
            log.warning("posts were still under way at the end of the drain", posts=self.posting.under_way)

    def _send_on(self, connection: Connection) -> None:
        connection.close(CloseCode.DRAINING, "the node is going down", self._rng.randrange(0, 1000))

    async def stop(self) -> None:
        """End every task. The backend is closed by whoever opened it."""
        try:
            async with asyncio.timeout(2):
                await self.attendance.resign()
        except (BackendError, TimeoutError):
            pass  # its leases end by themselves
        await self.readiness.stop()
        await self.supervisor.stop()

    def _every(self, name: str, period_s: float, act: Callable[[], Awaitable[None]]) -> None:
        async def run() -> None:
            waits = False
            while True:
                await asyncio.sleep(period_s)
                try:
                    await act()
                except BackendError as error:
                    # The store's fault, and told as such; the next round tries again. Said once: rounds go on for as
                    # long as the store is away.
                    (log.debug if waits else log.warning)(
                        "housekeeping waits for the store", task=name, reason=str(error)
                    )
                    waits = True
                else:
                    waits = False

        self.supervisor.keep(name, run)

    async def _subscribe(self) -> None:
        failures = 0
        while True:
            failures += 1
            await asyncio.sleep(pause_s(failures, self._rng, cap_s=1.0))
            try:
                await self.broker.subscribe(CONTROL)
            except BackendError:
                continue
            log.info("the store is there")
            # What was told on the topic before that was missed.
            self.directory.forget()
            return

    # Connections

    def connect(self, transport: Transport, session: Session) -> Connection:
        """The node's half of a new socket."""
        return Connection(self, transport, session)

    def full(self) -> bool:
        """Whether no further socket is taken."""
        return self.draining or len(self._connections) >= self.limits.connections

    def next_slot(self) -> int:
        """The slot with the fewest connections: whose turn a new one shares."""
        return min(range(SLOTS), key=lambda slot: len(self._slots[slot]))

    def enlist(self, connection: Connection) -> None:
        """A connection is open."""
        self._connections.add(connection)
        self._slots[connection.slot].add(connection)
        self.metrics.connections.inc()

    def discharge(self, connection: Connection) -> None:
        """A connection is gone."""
        if connection in self._connections:
            self._connections.remove(connection)
            self._slots[connection.slot].remove(connection)
            self.metrics.connections.dec()

    async def _look(self) -> None:
        self._slot = (self._slot + 1) % SLOTS
        now = self.now()
        for connection in list(self._slots[self._slot]):
            if connection.paused and now - connection.paused_since > self.limits.slow_s:
                connection.close(CloseCode.SLOW, "read faster, or come back from your cursor")
            elif now - connection.last_seen > 1.9 * self.limits.ping_s:
                # Looked at once a ping: a sign of life just after a look is almost two pings old here.
                connection.close(CloseCode.SILENT, "no sign of life")
            else:
                connection.ping()

    async def _check_sessions(self) -> None:
        """Find the sessions that ended without a signal: by time, by another process, by a signal that was lost."""
        ids = {connection.session.id for connection in self._connections}
        if ids:
            try:
                living = await self.accounts.living(ids, self.wall())
            except BackendError:
                self.grace.failed()
                raise
            self.grace.answered()
            for session_id in ids - living:
                self._close_session(session_id)

    async def _check_members(self) -> None:
        """Send those out of private rooms who were removed without a signal that came through."""
        for room in self.hub.rooms():
            present = list(room.users)
            if not present or not (await self.directory.facts(room.id)).private:
                continue
            gone = set(present) - await self.rooms.members(room.id, present)
            for connection in [c for c in self._connections if c.user.id in gone]:
                connection.evict(room.id)

    def _close_session(self, session_id: str) -> None:
        self.grace.ended(session_id)
        for connection in [c for c in self._connections if c.session.id == session_id]:
            connection.close(CloseCode.SESSION_ENDED, "the session has ended")

    async def _sweep(self) -> None:
        await self.hub.sweep(self.now(), self.limits.linger_s)
        self.posting.sweep()

    # The feed

    async def _hear(self) -> None:
        async for batch in self.broker.events():
            self._take(batch)

    def _take(self, batch: Sequence[Event]) -> None:
        entries: list[Entry] = []
        for event in batch:
            if type(event) is Entry:
                entries.append(event)
            elif isinstance(event, Notice):
                self._heed(event.topic, event.signal)
            elif isinstance(event, Interrupted):
                log.warning("the feed was interrupted", reason=event.reason)
                self.directory.forget()
                self.hub.interrupted()
                # What was missed may have been a change of the store's state, and there may be no further one.
                self._tell_store(self.store_state())
            elif isinstance(event, StoreState):
                self._tell_store(event)
        if entries:
            self.hub.deliver(entries)

    def _heed(self, topic: str, signal: Signal) -> None:
        match signal:
            case Typing(user=user):
                if (room := self.hub.get(topic)) is not None:
                    self.hub.push(room, wire.typing(topic, user), except_user=user.id)
            case RosterChanged():
                self.attendance.stale(topic)
            case ReadMarked():
                for connection in [c for c in self._connections if c.user.id == signal.user_id]:
                    connection.push_read(signal.room, signal.offset)
            case RoomChanged():
                self._tell_room(signal)
            case SessionEnded(session_id=session_id):
                self._close_session(session_id)
            case Canary():
                self.readiness.hear(signal)

    def _tell_room(self, signal: RoomChanged) -> None:
        room = signal.room
        self.directory.forget(room.id)
        payload = wire.room_changed(signal.change, room_fields(room), signal.user_id)
        for connection in list(self._connections):
            concerned = connection.user.id in (room.created_by, signal.user_id)
            if not room.private or concerned or connection.in_room(room.id):
                connection.push(payload)
            if signal.change == "member_removed" and connection.user.id == signal.user_id:
                connection.evict(room.id)

    def _tell_store(self, state: StoreState) -> None:
        payload = wire.store(state)
        for connection in list(self._connections):
            connection.tell_store(state, payload)

    # What people do

    async def create_room(self, user: User, room: RoomId, title: str, private: bool) -> Room:
        """Also raises ``RateLimited``: creating a room counts as a post."""
        self.posting.spend(user)
        return await self.directory.create_room(user, room, title, private)

    async def end_session(self, session_id: str) -> None:
        """End a session: dead at once on every node, its sockets closed with 4500."""
        # Before the store is asked: it may be away, and this node then is not to honour what its owner wanted ended.
        self.grace.ended(session_id)
        await self.accounts.end_session(session_id)
        await tell_nodes(self.broker, SessionEnded(session_id))

    # How the node is

    def store_state(self) -> StoreState:
        """How the store is, as far as this node knows."""
        return self.broker.state()

    async def ready(self) -> None:
        """
        Return when this node can serve (see Readiness).

        Raises:
            BackendError: It can't; the text is the reason.
        """
        if self._pump is None or self._pump.done():
            raise Unavailable("the node is not running")
        await self.readiness.prove()
