"""
The client: keeps a connection, joins its rooms again after each loss, and carries the outbox across.

Everything runs on the event loop that entered it, in one task that ``async with`` owns, and in timers.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from datchat.chat import wire
from datchat.chat.model import Cursor, RoomId, User
from datchat.client.backoff import Backoff
from datchat.client.clock import boottime
from datchat.client.errors import ClientFailure, Ended, Refused
from datchat.client.link import Link, Owner
from datchat.client.observer import Observer
from datchat.client.options import Options
from datchat.client.outbox import encode_command
from datchat.client.pending import Pending
from datchat.client.posts import Posts
from datchat.client.pushes import (
    Hello,
    Joined,
    Left,
    News,
    NodeName,
    Push,
    ReadNews,
    RefusedPush,
    RoomNews,
    RosterNews,
    Stored,
    StoreNews,
    TypingNews,
)
from datchat.client.room import Room
from datchat.client.socket import Loss


class Client:
    """
    A person's or program's place in the chat::

        async with Client("http://127.0.0.1:8081", token) as chat:
            room = await chat.join("lobby")
            await room.post("hello")
            async for event in room:
                ...

    Several URLs are used in turn: each loss moves on to the next. ``news`` is called with what is told in passing
    (typing, rosters, rooms, markers, the store's state); ``observer`` with all that a drill wants to know.

    Entering waits for the first hello, however often it takes; put ``asyncio.timeout`` around it to wait less long.
    Leaving flushes the outbox for ``Options.flush_s``; leaving by an exception gives it up at once.
    """

    def __init__(
        self,
        urls: str | Sequence[str],
        token: str | None,
        *,
        options: Options | None = None,
        observer: Observer | None = None,
        news: Callable[[News], None] = lambda news: None,
        clock: Callable[[], float] = boottime,
        rng: random.Random | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._options = options or Options()
        self.observer = observer or Observer()
        self._news = news
        self.clock = clock
        self._rng = rng or random.Random()
        told = Owner(
            greeted=self._on_greeted,
            entry=self._on_entry,
            push=self._on_push,
            lost=self._on_lost,
            unanswered_since=self._unanswered_since,
        )
        self._link = Link(
            [urls] if isinstance(urls, str) else urls, token, told, self._options, clock, self._rng, ssl_context
        )
        self._posts = Posts(self._link, self._options, self.observer, clock, self._rng)
        self._rooms: dict[RoomId, Room] = {}
        self._join_backoff = Backoff(self._rng, self._options.backoff_s, self._options.backoff_cap_s)
        self._joins: dict[int, tuple[Room, float]] = {}
        self._last_id = 0
        self._task: asyncio.Task[None] | None = None
        self._greeted: asyncio.Future[None]
        self.failure: ClientFailure | None = None
        """Why this client is over, once it is."""
        self.node: NodeName | None = None
        """The node that holds, or held last, the socket."""
        self.user: User | None = None
        """Who one is signed in as, once the server has said so."""
        self.store: StoreNews | None = None
        """How the server's store is."""
        self.reconnects = 0
        """How many times the connection was lost after a hello."""

    @property
    def connected(self) -> bool:
        """Whether the server has said hello on the present connection."""
        return self._link.connected

    @property
    def trouble(self) -> str | None:
        """Why there is no connection just now, as far as it is known; None while there is one."""
        if self._link.connected or self._link.trouble is None:
            return None
        return self._link.trouble.reason or f"closed with {self._link.trouble.code}"

    # Lifecycle

    async def __aenter__(self) -> Self:
        if self._task is not None:
            raise RuntimeError("a client is entered once")
        self._greeted = asyncio.get_running_loop().create_future()
        self._task = asyncio.get_running_loop().create_task(self._run(), name="datchat client")
        try:
            await asyncio.wait([self._greeted, self._task], return_when=asyncio.FIRST_COMPLETED)
        except BaseException:
            await self._stop()
            raise
        if self.failure is not None:
            await self._stop()
            raise self.failure
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None:
                await self.flush(self._options.flush_s)
        finally:
            await self._stop()

    async def flush(self, timeout_s: float) -> bool:
        """Wait until nothing is in the outbox; False when it isn't in time."""
        return await self._posts.flush(timeout_s)

    async def _run(self) -> None:
        try:
            await self._link.run()
        except Ended as error:
            self._end(error)
        except Exception as error:
            self._end(Ended(1011, f"the client has failed: {error!r}"))
            raise

    async def _stop(self) -> None:
        """Say goodbye, end the task. Raises what the task failed with, if it did."""
        assert self._task is not None
        self._end(Ended(1000, _CLOSED))
        try:
            await self._link.close()
        finally:
            self._task.cancel()
            await asyncio.wait([self._task])
        if not self._task.cancelled() and (fault := self._task.exception()) is not None:
            raise fault

    def _end(self, failure: ClientFailure) -> None:
        """Nothing goes out any more: everything that waits is told."""
        if self.failure is not None:
            return
        self.failure = failure
        self._posts.abandon(str(failure))
        for room in list(self._rooms.values()):
            room.end(None if isinstance(failure, Ended) and failure.reason == _CLOSED else failure)
        self._rooms.clear()

    # What the owner asks for

    async def join(self, room: str, cursor: Cursor | str | None = None, *, limit: int = 50) -> Room:
        """
        Join a room: from ``cursor`` on without a gap, or beginning with the newest ``limit`` entries.

        Raises:
            Refused: The server does not let one in, or there is no such room.
            Ended: The client has ended.
            ValueError: It is joined already; a room has one reader.
        """
        if self.failure is not None:
            raise self.failure
        room_id = RoomId(room)
        if room_id in self._rooms:
            raise ValueError(f"{room} is joined already")
        after = Cursor.parse(cursor) if isinstance(cursor, str) else cursor
        joining = self._rooms[room_id] = Room(self, room_id, after, limit, self._options.buffer)
        self.rejoin(joining)
        try:
            await joining.first
        except BaseException:
            if self._rooms.get(room_id) is joining:
                self.leave(joining)
            raise
        return joining

    def submit(self, command: wire.Posting) -> Pending:
        """
        Put a command into the outbox: it goes out at once, or when there is a connection, and again until answered.

        Raises:
            OutboxFull: Too many wait; this one was not taken.
            TooLarge: Its frame would be larger than the server takes.
            ValueError: Its nonce is on its way already.
            Ended: The client has ended.
        """
        if self.failure is not None:
            raise self.failure
        return self._posts.submit(command)

    def say(self, command: wire.AnyCommand) -> None:
        """Send a command that has no answer to wait for; it is lost without a connection."""
        self._link.send(encode_command(command))

    def nonce(self) -> str:
        """A nonce that no other draft has."""
        return f"{self._rng.getrandbits(128):032x}"

    def pause_reading(self) -> None:
        """Stop reading the socket, as a client that hangs would; the server sets it aside. For drills and tests."""
        self._link.pause_reading()

    def resume_reading(self) -> None:
        """Read again; what was missed comes, from the socket or, after a reconnect, from the log."""
        self._link.resume_reading()

    # For its rooms

    def rejoin(self, room: Room) -> None:
        """Join from where the room is, unless that is under way; without a connection, the next hello does it."""
        if not self._link.connected or room.joining is not None or room.over:
            return
        if room.retry is not None:
            room.retry.cancel()
            room.retry = None
        self._last_id += 1
        self._joins[self._last_id] = (room, self.clock())
        self.say(room.join_command(self._last_id))

    def leave(self, room: Room, error: ClientFailure | None = None) -> None:
        """Leave a room; with an error, because it can't go on."""
        if self._rooms.get(room.id) is room:
            del self._rooms[room.id]
            # With an id: a ``left`` without one means that one was put out.
            self._last_id += 1
            self.say(wire.Leave(room=room.id, id=self._last_id))
        room.end(error)

    # The link's owner

    def _on_greeted(self, hello: Hello, url: str) -> None:
        self.node, self.user = hello.node, hello.user
        self.store = StoreNews(hello.store.state, hello.store.master, hello.store.copies, hello.store.since_ms)
        self.observer.connected(self.clock(), hello.node, url)
        for room in list(self._rooms.values()):
            self.rejoin(room)
            room.repeat_marker()
        self._posts.tend()
        if not self._greeted.done():
            self._greeted.set_result(None)

    def _on_lost(self, loss: Loss) -> None:
        self.reconnects += 1
        self._joins.clear()
        for room in self._rooms.values():
            room.joining = None
        self.observer.disconnected(self.clock(), loss.code, loss.reason)
        self._posts.interrupted()

    def _unanswered_since(self) -> float | None:
        since = [sent_at for _, sent_at in self._joins.values()]
        if (oldest := self._posts.oldest_sent_at()) is not None:
            since.append(oldest)
        return min(since, default=None)

    def _on_entry(self, frame: bytes) -> None:
        entry = wire.parse_entry(frame)
        if (room := self._rooms.get(entry.room)) is not None:
            room.pushed(entry)

    def _on_push(self, push: Push) -> None:
        match push:
            case Stored():
                self._posts.stored(push)
            case Joined():
                self._joined(push)
            case RefusedPush():
                self._refused(push)
            case Left(id=None):
                if (room := self._rooms.pop(push.room, None)) is not None:
                    room.end(Refused("not_a_member", f"put out of {push.room}"))
            case TypingNews() | RosterNews() | RoomNews() | ReadNews() | StoreNews():
                self._told(push)

    def _joined(self, answer: Joined) -> None:
        room, _ = self._joins.pop(answer.id, (None, 0.0)) if isinstance(answer.id, int) else (None, 0.0)
        if room is not None and not room.over:
            self._join_backoff.reset()
            room.joined(answer)

    def _refused(self, refusal: RefusedPush) -> None:
        if isinstance(refusal.id, str):
            self._posts.refused(refusal)
        elif isinstance(refusal.id, int) and refusal.id in self._joins:
            room, _ = self._joins.pop(refusal.id)
            self._join_refused(room, refusal)
        else:
            self._news(refusal)

    def _join_refused(self, room: Room, refusal: RefusedPush) -> None:
        room.joining = None
        if refusal.retry:
            after_ms = refusal.retry_after_ms
            pause_s = self._join_backoff.next() if after_ms is None else after_ms / 1000
            room.retry = asyncio.get_running_loop().call_later(pause_s, self.rejoin, room)
        else:
            self._rooms.pop(room.id, None)
            room.end(Refused(refusal.code, refusal.message))

    def _told(self, news: News) -> None:
        if isinstance(news, RosterNews):
            if (room := self._rooms.get(news.room)) is not None:
                room.roster(news)
        elif isinstance(news, StoreNews):
            self.store = news
        self._news(news)


_CLOSED = "closed by its owner"
