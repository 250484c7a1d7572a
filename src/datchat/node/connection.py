"""
One client's socket as the node sees it: hello, join, catch-up, post, typing. It knows no WebSocket library.

Commands of one connection are carried out in the order in which they came. Posts only begin in order and then run side
by side, since many of them make one batch of the store. What a connection may have under way is bounded; past it the
node stops reading the socket (overflow policy: backpressure), so a client can't queue up work here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from datchat.chat import wire
from datchat.chat.model import Cursor, Entry, RoomId, StoreState, Typing, User
from datchat.chat.ratelimit import TokenBucket
from datchat.errors import BackendError, BadCommand, ClientError, CloseCode, CursorLost, RateLimited, Unavailable
from datchat.node.hub import HubRoom, Member
from datchat.ports import Session, Transport

if TYPE_CHECKING:
    from datchat.node.lifecycle import Node

MAX_UNDER_WAY = 256
"""Commands of one connection that are queued or being carried out."""
MAX_ROOMS = 1000
"""Rooms that one connection may be in."""
BAD_COMMANDS = 20
"""Within a minute, and the connection is closed."""


class Connection:
    """
    The node's half of a client's socket. The web side calls ``opened``, ``received``, ``paused_writing``,
    ``resumed_writing`` and ``closed``; everything else goes out through its ``Transport``.
    """

    __slots__ = (
        "_bad",
        "_commands",
        "_node",
        "_reading",
        "_rooms",
        "_store",
        "_transport",
        "_typed",
        "_under_way",
        "_waiting",
        "_working",
        "closing",
        "last_seen",
        "paused",
        "paused_since",
        "send",
        "session",
        "slot",
        "user",
    )

    def __init__(self, node: Node, transport: Transport, session: Session) -> None:
        self._node = node
        self._transport = transport
        self.send: Callable[[bytes], None] = transport.send
        self.session = session
        self.user: User = session.user
        self._rooms: dict[RoomId, Member] = {}
        self._waiting: deque[tuple[wire.AnyCommand, float]] | None = None
        self._working = False
        self._under_way = 0
        self._reading = True
        self._bad: deque[float] | None = None
        self._commands: TokenBucket | None = None
        self._typed: tuple[RoomId, float] | None = None
        self._store = node.store_state()
        self.paused = False
        self.paused_since = 0.0
        self.closing = False
        self.last_seen = node.now()
        self.slot = node.next_slot()

    # What the transport tells

    def opened(self) -> None:
        """The handshake is done: say hello."""
        node = self._node
        # Bound once: delivery calls it for every member.
        self.send = self._transport.send
        node.enlist(self)
        self._store = node.store_state()
        self._say(wire.hello(node.name, node.addresses, self.user, node.limits.ping_s, self._store))

    def received(self, frame: bytes) -> None:
        """A whole text frame has come."""
        if self.closing:
            return
        try:
            command = wire.decode_command(frame)
        except ClientError as error:
            self._refuse(getattr(error, "id", None), error)
            self._count_bad(error)
            return
        if isinstance(command, wire.Ping):
            self._say(wire.pong(command))
            return
        self._under_way += 1
        if self._under_way >= MAX_UNDER_WAY and self._reading:
            self._reading = False
            self._transport.pause_reading()
        if self._working or not self._begin(command):
            self._enqueue(command)

    def malformed(self, reason: str) -> None:
        """A frame has come that can't be a command, such as a binary one."""
        if not self.closing:
            error = BadCommand(reason)
            self._refuse(None, error)
            self._count_bad(error)

    def paused_writing(self) -> None:
        """The socket takes no more for now: set it aside in every room, at no cost to the others."""
        self.paused = True
        self.paused_since = self._node.now()
        for member in self._rooms.values():
            self._node.hub.stall(member)

    def resumed_writing(self) -> None:
        """The socket takes data again: catch up from the log."""
        self.paused = False
        if (state := self._node.store_state()) != self._store:
            self.tell_store(state, wire.store(state))
        for member in self._rooms.values():
            self._node.hub.level(member)

    def closed(self) -> None:
        """The socket is gone."""
        self.retire()
        self._node.discharge(self)

    def retire(self) -> None:
        """Nothing more is to be sent: the socket is gone, or a close frame is on its way in either direction."""
        self.closing = True
        self._waiting = None
        for member in self._rooms.values():
            self._node.hub.remove(member)
            self._node.attendance.stir(member.room)
        self._rooms.clear()

    # What the node tells

    def ping(self) -> None:
        if not self.closing:
            self._transport.ping()

    def close(self, code: CloseCode, reason: str, retry_after_ms: int | None = None) -> None:
        """Say bye and close. Posts under way still run to their end; their answers are lost with the socket."""
        if self.closing:
            return
        self._node.metrics.closed.labels(str(int(code))).inc()
        self._say(wire.bye(reason, retry_after_ms if code.reconnect else None))
        self.retire()
        self._transport.close(code, reason)

    def lose_history(self, room: RoomId) -> None:
        # The client comes back with its cursor at once and is answered with ``reset``.
        self.close(CloseCode.DRAINING, f"the log of {room} has changed", 0)

    def in_room(self, room: RoomId) -> bool:
        return room in self._rooms

    def push(self, payload: bytes) -> None:
        """Tell this client something ephemeral."""
        if not self.paused:
            self._say(payload)

    def tell_store(self, state: StoreState, payload: bytes) -> None:
        """What the store is like, unless this client knows. A socket that takes nothing now is told when it does."""
        if not self.paused and state != self._store:
            self._store = state
            self._say(payload)

    def push_read(self, room: RoomId, offset: int) -> None:
        """The user's marker has moved; the connection that moved it need not hear of it."""
        member = self._rooms.get(room)
        if member is None:
            self.push(wire.read(room, offset))
        elif member.read < offset:
            member.read = offset
            self.push(wire.read(room, offset))

    def evict(self, room: RoomId) -> None:
        """The user may not be in this room any more."""
        if (member := self._rooms.pop(room, None)) is not None:
            self._node.hub.remove(member)
            self.push(wire.left(wire.Leave(room=room)))

    # Commands

    def _begin(self, command: wire.AnyCommand) -> bool:
        """Begin a post that needs no look at the store first."""
        if isinstance(command, wire.Posting) and command.room in self._rooms:
            self._node.supervisor.spawn("post", self._post(command))
            return True
        return False

    def _enqueue(self, command: wire.AnyCommand) -> None:
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append((command, asyncio.get_running_loop().time() + self._node.limits.post_deadline_s))
        if not self._working:
            self._working = True
            self._node.supervisor.spawn("commands", self._work())

    async def _work(self) -> None:
        try:
            while self._waiting:
                command, until = self._waiting.popleft()
                if isinstance(command, wire.Posting):
                    if not self._begin(command):
                        await self._enter_and_begin(command, until)
                else:
                    await self._answer(command, until)
                    self._finish()
        finally:
            self._working = False
            self._waiting = None

    async def _enter_and_begin(self, command: wire.Posting, until: float) -> None:
        try:
            async with asyncio.timeout_at(until):
                await self._node.enter(self.user, command.room)
        except (ClientError, BackendError, TimeoutError) as error:
            self._refuse(command.id, _told(error))
            self._finish()
        else:
            self._node.supervisor.spawn("post", self._post(command))

    def _finish(self) -> None:
        self._under_way -= 1
        if not self._reading and self._under_way < MAX_UNDER_WAY // 2:
            self._reading = True
            self._transport.resume_reading()

    async def _post(self, command: wire.Posting) -> None:
        try:
            receipt = await self._node.post(
                self.user,
                room=command.room,
                kind=wire.posting_kind(command),
                nonce=command.nonce,
                text=command.text if isinstance(command, wire.Post | wire.Edit) else None,
                reply_to=command.reply_to if isinstance(command, wire.Post) else None,
                target=None if isinstance(command, wire.Post) else command.target,
                emoji=command.emoji if isinstance(command, wire.React) else None,
                on=command.on if isinstance(command, wire.React) else None,
                age_ms=command.age_ms,
                admin=self.session.admin,
                entered=True,
            )
        except (ClientError, BackendError) as error:
            self._refuse(command.id, error)
        else:
            self._say(
                wire.stored(command.id, command.room, command.nonce, receipt.cursor, receipt.copies, receipt.duplicate)
            )
        finally:
            self._finish()

    async def _answer(self, command: wire.AnyCommand, until: float) -> None:
        try:
            self._spend()
            # Counted from when it came: while the store hangs, a queue of joins is not to wait for it one by one.
            async with asyncio.timeout_at(until):
                await self._carry_out(command)
        except (ClientError, BackendError, TimeoutError) as error:
            self._refuse(command.id, _told(error))

    async def _carry_out(self, command: wire.AnyCommand) -> None:
        if isinstance(command, wire.Join):
            await self._join(command)
        elif isinstance(command, wire.Leave):
            self._leave(command)
        elif isinstance(command, wire.Typing):
            await self._type(command)
        elif isinstance(command, wire.Read):
            await self._read(command)

    async def _join(self, command: wire.Join) -> None:
        node, hub = self._node, self._node.hub
        if command.room not in self._rooms and len(self._rooms) >= MAX_ROOMS:
            raise RateLimited(f"a connection is in at most {MAX_ROOMS} rooms", 60_000)
        await node.enter(self.user, command.room)
        room = await hub.open(command.room)
        member = self._rooms.get(command.room)
        if member is not None and member.room is not room:
            hub.remove(member)
            member = None
        is_new = member is None
        if member is None:
            if self.closing:
                return
            member = self._rooms[command.room] = hub.add(room, self)
            node.attendance.stir(room)
        else:
            hub.hold(member)
        try:
            entries, cursor, more, reset = await self._backlog(command, room)
        except BaseException:
            if is_new:
                self._drop(command.room, member)
            elif self._rooms.get(command.room) is member:
                # Refused, it is where it was before it asked.
                hub.release(member, member.cursor)
            raise
        if member.held and self._rooms.get(command.room) is member:
            members = node.attendance.present(room)
            self._say(
                wire.joined(command, entries, cursor, more=more, reset=reset, members=members, count=len(members))
            )
            self._release(member, cursor, more)

    async def _backlog(self, command: wire.Join, room: HubRoom) -> tuple[list[Entry], Cursor, bool, bool]:
        """What ``joined`` tells: the entries, the cursor after them, whether there are more, whether it is a reset."""
        broker = self._node.broker
        reset = False
        if command.cursor is not None:
            after = Cursor.parse(command.cursor)
            try:
                page = await broker.read(command.room, after, wire.MAX_JOIN)
            except CursorLost:
                reset = True
                self._node.metrics.resets.inc()
            else:
                # What is beyond the room's own cursor comes by the feed.
                entries = [entry for entry in page.entries if entry.offset <= room.offset]
                return entries, entries[-1].cursor if entries else after, page.more, False
        page = await broker.before(command.room, None, command.limit)
        entries = [entry for entry in page.entries if entry.offset <= room.offset]
        if page.entries and not entries:
            page = await broker.before(command.room, room.offset + 1, command.limit)
            entries = list(page.entries)
        return entries, entries[-1].cursor if entries else page.cursor, False, reset

    def _release(self, member: Member, cursor: Cursor, more: bool) -> None:
        if not more:
            self._node.hub.release(member, cursor)
            return
        # It will ask for the next page itself, most likely. Pushing the rest meanwhile would send it twice; if it
        # doesn't ask, the rest is pushed after a while, so that the room never falls silent.
        member.cursor = cursor
        asyncio.get_running_loop().call_later(self._node.limits.hold_s, self._release_held, member, cursor)

    def _release_held(self, member: Member, cursor: Cursor) -> None:
        if member.held and member.cursor == cursor and self._rooms.get(member.room.id) is member:
            self._node.hub.release(member, cursor)

    def _drop(self, room: RoomId, member: Member) -> None:
        if self._rooms.get(room) is member:
            del self._rooms[room]
            self._node.hub.remove(member)
            self._node.attendance.stir(member.room)

    def _leave(self, command: wire.Leave) -> None:
        if (member := self._rooms.get(command.room)) is not None:
            self._drop(command.room, member)
        self._say(wire.left(command))

    async def _type(self, command: wire.Typing) -> None:
        await self._node.enter(self.user, command.room)
        now = self._node.now()
        if self._typed is None or self._typed[0] != command.room or now - self._typed[1] >= 1:
            self._typed = (command.room, now)
            await self._node.broker.signal(command.room, Typing(self.user))

    async def _read(self, command: wire.Read) -> None:
        if (member := self._rooms.get(command.room)) is not None:
            member.read = max(member.read, command.offset)
        await self._node.mark_read(self.user, command.room, command.offset)

    # Answers

    def _say(self, payload: bytes) -> None:
        if not self.closing:
            self.send(wire.text_frame(payload))

    def _refuse(self, command_id: wire.IdField, error: ClientError | BackendError) -> None:
        self._node.metrics.refused.labels(error.code).inc()
        self._say(wire.refused(command_id, error))

    def _count_bad(self, error: ClientError) -> None:
        if error.code != BadCommand.code:
            return
        now = self._node.now()
        if self._bad is None:
            self._bad = deque(maxlen=BAD_COMMANDS)
        self._bad.append(now)
        if len(self._bad) == BAD_COMMANDS and now - self._bad[0] < 60:
            self.close(CloseCode.BAD_COMMANDS, "too many bad commands")

    def _spend(self) -> None:
        """Commands other than posts have a limit of their own; posts are counted by account."""
        rate = self._node.limits.command_rate
        if rate <= 0:
            return
        now = self._node.now()
        if self._commands is None:
            self._commands = TokenBucket(rate, rate * 10, now)
        if wait_s := self._commands.take(now):
            raise RateLimited("too many commands", int(wait_s * 1000) + 1)


def _told(error: ClientError | BackendError | TimeoutError) -> ClientError | BackendError:
    return Unavailable("the store did not answer in time") if isinstance(error, TimeoutError) else error
