"""
The executable specification: every port in plain dictionaries, as simple as can be. Used by tests; nothing lasts.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence

from msgspec.structs import replace

from datchat.backends.feed import Feed
from datchat.backends.names import folded, free_name, room_order
from datchat.backends.presence import LocalPresence
from datchat.chat import chain, rules, timeline, wire
from datchat.chat.model import (
    LOBBY,
    START,
    Content,
    Cursor,
    Draft,
    Entry,
    Event,
    Kind,
    Message,
    Notice,
    Page,
    Receipt,
    Room,
    RoomId,
    RoomStanding,
    Signal,
    StoreState,
    View,
)
from datchat.errors import CursorLost, Taken, Unavailable
from datchat.ports import MOST_UNREAD, Account, Session


class MemoryBackend:
    """
    All ports in memory. ``nonce_window_s`` is how long a nonce is remembered, by ``clock`` (monotonic, in seconds).
    """

    def __init__(self, *, nonce_window_s: float = 600.0, clock: Callable[[], float] = time.monotonic) -> None:
        feed = Feed()
        logs = {LOBBY: Log(Room(id=LOBBY, title="Lobby"))}
        self.rooms = MemoryRooms(logs)
        self.accounts = MemoryAccounts(self.rooms)
        self.broker = MemoryBroker(logs, feed, nonce_window_s, clock)
        self.presence = LocalPresence(clock)
        self._feed = feed

    async def inspect(self) -> Sequence[str]:
        return []

    def counts(self) -> Mapping[str, int]:
        return {}

    async def close(self) -> None:
        self.broker.closed = True
        self._feed.close()


class Log:
    """A room with its log, and with its messages as they look at the top."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.members: set[str] = {room.created_by} if room.private and room.created_by else set()
        self.entries: list[Entry] = []
        self.messages: dict[int, Message] = {}

    @property
    def top(self) -> Cursor:
        return self.entries[-1].cursor if self.entries else START

    def cursor(self, offset: int) -> Cursor | None:
        """The cursor at an offset, if the log reaches there."""
        if offset == 0:
            return START
        return self.entries[offset - 1].cursor if offset <= len(self.entries) else None

    def add(self, draft: Draft) -> Entry:
        body = wire.stored_bytes(draft)
        offset = len(self.entries) + 1
        entry = Entry(draft.room, offset, chain.extend(self.top.chain, body), body)
        self.entries.append(entry)
        self._fold(offset, wire.content(entry), rules.names(draft))
        return entry

    def _fold(self, offset: int, content: Content, named: int | None) -> None:
        if named is not None:
            self.messages[named] = timeline.apply(self.messages[named], offset, content)
        if content.kind is Kind.MESSAGE:
            self.messages[offset] = timeline.begin(offset, content)


class MemoryBroker:
    """Serves the Broker port."""

    def __init__(self, logs: dict[RoomId, Log], feed: Feed, nonce_window_s: float, clock: Callable[[], float]) -> None:
        self._logs = logs
        self._feed = feed
        self._window_s = nonce_window_s
        self._clock = clock
        self._nonces: dict[tuple[RoomId, str, str], tuple[Cursor, float]] = {}
        self.closed = False

    async def append(self, draft: Draft) -> Receipt:
        if self.closed:
            raise Unavailable("the store is closed")
        log = self._log(draft.room)
        self._forget()
        nonce = (draft.room, draft.author.id, draft.nonce)
        if nonce in self._nonces:
            return Receipt(self._nonces[nonce][0], copies=1, duplicate=True)
        rules.judge(draft, archived=log.room.archived, named=self._named(log, draft))
        entry = log.add(draft)
        self._nonces[nonce] = (entry.cursor, self._clock())
        self._feed.publish([entry])
        return Receipt(entry.cursor, copies=1, duplicate=False)

    def _named(self, log: Log, draft: Draft) -> rules.Named | None:
        message = log.messages.get(rules.names(draft) or 0)
        return None if message is None else rules.Named(message.author.id, message.deleted)

    def _forget(self) -> None:
        for nonce, (_, at) in list(self._nonces.items()):
            if at > self._clock() - self._window_s:
                break
            del self._nonces[nonce]

    async def read(self, room: RoomId, after: Cursor, limit: int) -> Page:
        log = self._log(room)
        if log.cursor(after.offset) != after:
            raise CursorLost(f"the log of {room} has no entry {after}")
        entries = log.entries[after.offset : after.offset + limit]
        cursor = entries[-1].cursor if entries else after
        return Page(entries, cursor, more=cursor.offset < log.top.offset)

    async def scan(self, room: RoomId, after: int, limit: int) -> Sequence[Entry]:
        return self._log(room).entries[after : after + limit]

    async def before(self, room: RoomId, offset: int | None, limit: int) -> Page:
        entries = self._log(room).entries[: None if offset is None else max(0, offset - 1)]
        page = entries[-limit:]
        return Page(page, page[-1].cursor if page else START, more=len(page) < len(entries))

    async def view(self, room: RoomId, before: int | None, limit: int) -> View:
        log = self._log(room)
        offsets = list(log.messages)
        older = offsets if before is None else offsets[: bisect_left(offsets, before)]
        page = older[-limit:]
        return View([log.messages[offset] for offset in page], log.top, more=len(page) < len(older))

    async def top(self, room: RoomId) -> Cursor:
        return self._log(room).top

    async def signal(self, topic: str, signal: Signal) -> None:
        self._feed.publish([Notice(topic, signal)])

    async def subscribe(self, topic: str) -> None:
        self._feed.subscribe(topic)

    async def unsubscribe(self, topic: str) -> None:
        self._feed.unsubscribe(topic)

    def events(self) -> AsyncIterator[Sequence[Event]]:
        return self._feed.events()

    def state(self) -> StoreState:
        return StoreState()

    async def check(self) -> None:
        if self.closed:
            raise Unavailable("the store is closed")

    def _log(self, room: RoomId) -> Log:
        if room not in self._logs:
            raise rules.no_such_room(room)
        return self._logs[room]


class MemoryRooms:
    """Serves the Rooms port."""

    def __init__(self, logs: dict[RoomId, Log]) -> None:
        self._logs = logs
        self._markers: dict[tuple[str, RoomId], int] = {}

    async def create(self, room: Room) -> None:
        if room.id in self._logs:
            raise Taken(f"there is a room {room.id} already")
        self._logs[room.id] = Log(room)

    async def get(self, room: RoomId) -> Room:
        return self._log(room).room

    async def all(self) -> Sequence[Room]:
        return [log.room for log in self._logs.values()]

    async def update(self, room: Room) -> None:
        log = self._log(room.id)
        log.room = replace(log.room, title=room.title, archived=room.archived)

    async def standings(self, user_id: str) -> Sequence[RoomStanding]:
        return sorted(self._standings(user_id), key=lambda standing: room_order(standing.room))

    def _standings(self, user_id: str) -> Iterator[RoomStanding]:
        for log in self._logs.values():
            if not log.room.private or user_id in log.members:
                read = self._markers.get((user_id, log.room.id), 0)
                unread = [m for m in log.messages.values() if m.offset > read and m.author.id != user_id]
                count = min(len(unread), MOST_UNREAD)
                yield RoomStanding(room=log.room, cursor=log.top, read=read, unread=count)

    async def add_member(self, room: RoomId, user_id: str) -> None:
        log = self._log(room)
        if user_id not in log.members:
            log.members.add(user_id)
            self._move(user_id, log, log.top.offset)

    async def remove_member(self, room: RoomId, user_id: str) -> None:
        self._log(room).members.discard(user_id)

    async def members(self, room: RoomId, among: Collection[str]) -> set[str]:
        return self._log(room).members & set(among)

    async def mark_read(self, user_id: str, room: RoomId, offset: int) -> int:
        return self._move(user_id, self._log(room), offset)

    def begin_reading(self, user_id: str) -> None:
        """What stands in the public rooms is no news to a new account."""
        for log in self._logs.values():
            if not log.room.private:
                self._move(user_id, log, log.top.offset)

    def _move(self, user_id: str, log: Log, offset: int) -> int:
        marker = (user_id, log.room.id)
        self._markers[marker] = max(self._markers.get(marker, 0), min(offset, log.top.offset))
        return self._markers[marker]

    def _log(self, room: RoomId) -> Log:
        if room not in self._logs:
            raise rules.no_such_room(room)
        return self._logs[room]


class MemoryAccounts:
    """Serves the Accounts port."""

    def __init__(self, rooms: MemoryRooms) -> None:
        self._rooms = rooms
        self._accounts: dict[str, Account] = {}
        self._sessions: dict[str, Session] = {}

    async def create(self, account: Account) -> Account:
        if await self.by_email(account.email) is not None:
            raise Taken("this e-mail has an account already")
        names = {folded(other.name) for other in self._accounts.values()}
        created = replace(account, name=free_name(account.name, names.__contains__))
        self._accounts[account.id] = created
        self._rooms.begin_reading(account.id)
        return created

    async def by_email(self, email: str) -> Account | None:
        return next((a for a in self._accounts.values() if folded(a.email) == folded(email)), None)

    async def by_id(self, user_id: str) -> Account | None:
        return self._accounts.get(user_id)

    async def list(self) -> Sequence[Account]:
        return [*self._accounts.values()]

    async def disable(self, user_id: str, disabled: bool) -> None:
        self._change(user_id, disabled=disabled)
        if disabled:
            self._end_sessions(user_id)

    async def set_password(self, user_id: str, password_hash: str) -> None:
        self._change(user_id, password_hash=password_hash)
        self._end_sessions(user_id)

    async def rehash(self, user_id: str, password_hash: str) -> None:
        self._change(user_id, password_hash=password_hash)

    def _change(self, user_id: str, **changes: object) -> None:
        if user_id in self._accounts:
            self._accounts[user_id] = replace(self._accounts[user_id], **changes)

    def _end_sessions(self, user_id: str) -> None:
        self._sessions = {key: session for key, session in self._sessions.items() if session.user.id != user_id}

    async def open_session(self, session: Session) -> None:
        for past in [
            other.id
            for other in self._sessions.values()
            if other.user.id == session.user.id and other.expires_at <= session.created_at
        ]:
            del self._sessions[past]
        self._sessions[session.id] = session

    async def session(self, session_id: str, now: int) -> Session | None:
        session = self._sessions.get(session_id)
        account = self._accounts.get(session.user.id) if session else None
        if session is None or account is None or account.disabled or session.expires_at <= now:
            return None
        return replace(session, user=account.user, admin=account.admin)

    async def end_session(self, session_id: str) -> None:
        self._sessions.pop(session_id, None)

    async def living(self, session_ids: Collection[str], now: int) -> set[str]:
        return {session_id for session_id in session_ids if await self.session(session_id, now)}
