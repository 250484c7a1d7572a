"""
One room as a client reads it and writes to it: an async iterator of what happens, gapless and once across reconnects.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from datchat.chat import wire
from datchat.chat.model import Cursor, Entry, RoomId, User
from datchat.client.errors import Diverged, Refused
from datchat.client.events import Reset, RoomEntry, RoomEvent
from datchat.client.pending import Pending
from datchat.client.pushes import Joined, RosterNews, Stored
from datchat.client.resume import Resume, Step

if TYPE_CHECKING:
    from datchat.client.client import Client


class Room:
    """
    A joined room. ``async for event in room`` yields a ``RoomEntry`` for each entry, in order, each once and none left
    out, however often the connection is lost; and a ``Reset`` when the server can't go on from there.

    One reader. What is not read yet is bounded (``Options.buffer``); past it what comes is let go, and fetched from
    the log, by joining again from the cursor, once the reader has caught up. So a reader that waits for an answer of
    its own never blocks itself, and a slow room never holds up another.

    Iteration ends when the room is left or the client closed, and raises ``Refused`` when the server doesn't let it in
    any more, ``Diverged`` when the log that it tells contradicts itself, ``Ended`` when the client has ended.
    """

    def __init__(self, client: Client, room: RoomId, cursor: Cursor | None, limit: int, buffer: int) -> None:
        self.id = room
        self.cursor = cursor
        """The last place that was handed to the reader: to keep, and to join with another time."""
        self.count = 0
        """How many are present."""
        self._client = client
        self._resume = Resume(room, cursor)
        self._limit = limit
        self._buffer = buffer
        self._unread: deque[RoomEvent] = deque()
        self._reader: asyncio.Future[None] | None = None
        self._members: dict[str, User] = {}
        self._behind = False
        self._over: Exception | None = None
        self._ended = False
        self._marker = 0
        self._asked: Cursor | None = None
        """The cursor in the last ``join``."""
        self.joining: int | None = None
        """The id of the ``join`` that is not answered yet."""
        self.first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.retry: asyncio.TimerHandle | None = None

    @property
    def members(self) -> Sequence[User]:
        """Who is present, by name; at most 100 are named."""
        return sorted(self._members.values(), key=lambda user: (user.name.casefold(), user.id))

    # Reading

    def __aiter__(self) -> Room:
        return self

    async def __anext__(self) -> RoomEvent:
        while not self._unread:
            if self._over is not None:
                raise self._over
            if self._ended:
                raise StopAsyncIteration
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        event = self._unread.popleft()
        self.cursor = event.cursor
        if self._behind and len(self._unread) <= self._buffer // 2:
            self._behind = False
            self._client.rejoin(self)
        return event

    # Writing

    def submit(self, text: str, *, reply_to: int | None = None, nonce: str | None = None) -> Pending:
        """Post without waiting; see ``Client.submit``."""
        return self._client.submit(
            wire.Post(room=self.id, nonce=nonce or self._client.nonce(), text=text, reply_to=reply_to)
        )

    async def post(self, text: str, *, reply_to: int | None = None) -> Stored:
        """
        Post, and return when it is stored.

        Raises:
            Refused, NotStored, Unconfirmed: It was not acknowledged; see ``datchat.client.errors``.
            OutboxFull: It was not taken.
        """
        return await self.submit(text, reply_to=reply_to)

    async def edit(self, target: int, text: str) -> Stored:
        """Give one's own message at ``target`` another text; raises as ``post`` does."""
        return await self._client.submit(wire.Edit(room=self.id, nonce=self._client.nonce(), target=target, text=text))

    async def delete(self, target: int) -> Stored:
        """Delete the message at ``target``; raises as ``post`` does."""
        return await self._client.submit(wire.Delete(room=self.id, nonce=self._client.nonce(), target=target))

    async def react(self, target: int, emoji: str, on: bool = True) -> Stored:
        """Put an emoji to the message at ``target``, or take it off; raises as ``post`` does."""
        return await self._client.submit(
            wire.React(room=self.id, nonce=self._client.nonce(), target=target, emoji=emoji, on=on)
        )

    def typing(self) -> None:
        """Tell the others that one is typing. Lost without a connection, as such things may be."""
        self._client.say(wire.Typing(room=self.id))

    def read(self, offset: int) -> None:
        """Tell that everything up to ``offset`` has been seen; told again after a reconnect."""
        self._marker = max(self._marker, offset)
        self._client.say(wire.Read(room=self.id, offset=self._marker))

    async def leave(self) -> None:
        """Leave the room. Iteration ends after what came before."""
        self._client.leave(self)

    # From the client

    def join_command(self, command_id: int) -> wire.Join:
        """The command that goes on from where this room is."""
        self.joining = command_id
        cursor = self._asked = self._resume.cursor
        return wire.Join(id=command_id, room=self.id, cursor=None if cursor is None else str(cursor), limit=self._limit)

    def repeat_marker(self) -> None:
        """The server may have missed the marker."""
        if self._marker:
            self._client.say(wire.Read(room=self.id, offset=self._marker))

    def pushed(self, entry: Entry) -> None:
        """An ``entry`` push of this room."""
        if self._behind or self.over:
            return
        before = self._resume.cursor
        try:
            step = self._resume.push(entry)
        except Diverged as error:
            self._client.leave(self, error)
            return
        if step is Step.NEXT:
            self._keep(RoomEntry(entry))
        elif self.joining is None:
            if before is not None:
                self._client.observer.strayed(self._client.clock(), self.id, before, entry.offset)
            if step is Step.GAP:
                self._client.rejoin(self)

    def joined(self, answer: Joined) -> None:
        """The answer to ``join``."""
        self.joining = None
        self._members = {user.id: user for user in answer.members}
        self.count = answer.count
        if not self._behind:
            lost, asked = self._resume.cursor, self._asked
            entries = [wire.parse_entry(bytes(raw)) for raw in answer.entries]
            if asked is not None and not answer.reset and entries and entries[0].offset != asked.offset + 1:
                self._client.observer.strayed(self._client.clock(), self.id, asked, entries[0].offset)
            try:
                fresh = self._resume.joined(entries, Cursor.parse(answer.cursor), answer.reset)
            except Diverged as error:
                self._client.leave(self, error)
                return
            self._keep_page(fresh, lost, answer.reset)
        if answer.more and not self._behind:
            self._client.rejoin(self)
        if not self.first.done():
            self.first.set_result(None)

    def roster(self, news: RosterNews) -> None:
        """Who came and left."""
        self.count = news.count
        self._members.update((user.id, user) for user in news.joined)
        for user in news.left:
            self._members.pop(user.id, None)

    @property
    def over(self) -> bool:
        return self._ended or self._over is not None

    def end(self, error: Exception | None) -> None:
        """Nothing more comes: iteration ends after what is unread, with the error if there is one."""
        if self.over:
            return
        self._over, self._ended = error, error is None
        if self.retry is not None:
            self.retry.cancel()
        if not self.first.done():
            self.first.set_exception(error or Refused("left", "left before it was joined"))
            self.first.exception()  # whoever waits for it is told; nobody has to
        self._wake()

    def _keep_page(self, fresh: Sequence[Entry], lost: Cursor | None, reset: bool) -> None:
        entries = tuple(RoomEntry(entry) for entry in fresh)
        if not reset:
            for entry in entries:
                self._keep(entry)
            if self.cursor is None and not entries and not self._unread:
                self.cursor = self._resume.cursor
            return
        assert self._resume.cursor is not None
        event = Reset(self.id, lost, entries, self._resume.cursor)
        self._client.observer.reset(self._client.clock(), event)
        self._unread.append(event)
        self._wake()

    def _keep(self, entry: RoomEntry) -> None:
        self._client.observer.received(self._client.clock(), entry)
        self._unread.append(entry)
        self._behind = len(self._unread) >= self._buffer
        self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
