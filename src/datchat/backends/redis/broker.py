"""The Broker port on Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from datchat.backends.feed import Feed
from datchat.backends.redis import keys, log
from datchat.backends.redis.feed import Subscription, notice
from datchat.backends.redis.state import StoreWatch
from datchat.backends.redis.store import Store
from datchat.chat.model import Cursor, Draft, Entry, Event, Page, Receipt, RoomId, Signal, StoreState, View

_ROOMS_AT_ONCE = 500


class RedisBroker:
    """Serves the Broker port."""

    def __init__(self, store: Store, subscription: Subscription, feed: Feed, watch: StoreWatch) -> None:
        self._store = store
        self._feed = feed
        self._watch = watch
        self.subscribe = subscription.subscribe
        self.unsubscribe = subscription.unsubscribe

    async def append(self, draft: Draft) -> Receipt:
        return await self._store.append(draft)

    async def read(self, room: RoomId, after: Cursor, limit: int) -> Page:
        return await log.read(self._store, room, after, limit)

    async def scan(self, room: RoomId, after: int, limit: int) -> Sequence[Entry]:
        return await log.scan(self._store, room, after, limit)

    async def before(self, room: RoomId, offset: int | None, limit: int) -> Page:
        return await log.before(self._store, room, offset, limit)

    async def view(self, room: RoomId, before: int | None, limit: int) -> View:
        return await log.view(self._store, room, before, limit)

    async def top(self, room: RoomId) -> Cursor:
        return await log.top(self._store, room)

    async def signal(self, topic: str, signal: Signal) -> None:
        await self._store.side.call(("PUBLISH", keys.channel(topic), notice(signal)))

    def events(self) -> AsyncIterator[Sequence[Event]]:
        return self._feed.events()

    def state(self) -> StoreState:
        return self._watch.state

    async def check(self) -> None:
        def read(replies: list[Any]) -> None:
            pass

        await self._store.act([("SET", keys.CHECK, 1)], read)


class Tops:
    """How the logs end (``feed.Heads``)."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def tops(self, rooms: Sequence[RoomId]) -> dict[RoomId, Cursor]:
        found: dict[RoomId, Cursor] = {}
        for first in range(0, len(rooms) or 1, _ROOMS_AT_ONCE):
            found |= await log.heads(self._store, rooms[first : first + _ROOMS_AT_ONCE])
        return found

    async def last(self, room: RoomId) -> Entry | None:
        page = await log.before(self._store, room, None, 1)
        return page.entries[0] if page.entries else None
