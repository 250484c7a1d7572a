"""The Broker port on SQLite: the writer's appends, the readers' queries, and the feed of this one process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from sqlite3 import Connection

from datchat.backends.feed import Feed
from datchat.backends.sqlite import log
from datchat.backends.sqlite.readers import Readers
from datchat.backends.sqlite.writer import Writer
from datchat.chat import wire
from datchat.chat.model import (
    Cursor,
    Draft,
    Entry,
    Event,
    Notice,
    Page,
    Receipt,
    RoomId,
    Signal,
    StoreState,
    View,
)
from datchat.errors import Unavailable


class SqliteBroker:
    """Serves the Broker port. ``serving`` is False beside a serving process: then it refuses to append."""

    def __init__(self, writer: Writer, readers: Readers, feed: Feed, *, serving: bool) -> None:
        self._writer = writer
        self._readers = readers
        self._feed = feed
        self._serving = serving

    async def append(self, draft: Draft) -> Receipt:
        if not self._serving:
            raise Unavailable("only the process that serves the chat may append")
        return await self._writer.append(draft, wire.stored_bytes(draft))

    async def read(self, room: RoomId, after: Cursor, limit: int) -> Page:
        return await self._readers.read(lambda connection: log.read(connection, room, after, limit))

    async def scan(self, room: RoomId, after: int, limit: int) -> Sequence[Entry]:
        return await self._readers.read(lambda connection: log.scan(connection, room, after, limit))

    async def before(self, room: RoomId, offset: int | None, limit: int) -> Page:
        return await self._readers.read(lambda connection: log.before(connection, room, offset, limit))

    async def view(self, room: RoomId, before: int | None, limit: int) -> View:
        return await self._readers.read(lambda connection: log.view(connection, room, before, limit))

    async def top(self, room: RoomId) -> Cursor:
        return await self._readers.read(lambda connection: log.top(connection, room))

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
        await self._writer.act(_beat)


def _beat(connection: Connection) -> None:
    connection.execute("UPDATE heartbeat SET beats = beats + 1")
