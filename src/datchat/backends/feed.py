"""What happens in the subscribed topics of a store that serves one process: from the store's calls to ``events``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence

from datchat.chat.model import Entry, Event, Interrupted, Notice, StoreState

CAPACITY = 10_000
"""Events that wait for the consumer. Overflow policy: all are dropped, and ``Interrupted`` stands in their place."""


class Feed:
    """
    Topics, and the events that wait for the one consumer. Everything is called on the event loop; nothing waits.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._topics: set[str] = set()
        self._waiting: list[Event] = []
        self._news = asyncio.Event()
        self._consumed = False
        self._closed = False

    def subscribe(self, topic: str) -> None:
        self._topics.add(topic)

    def unsubscribe(self, topic: str) -> None:
        self._topics.discard(topic)

    def publish(self, events: Iterable[Entry | Notice]) -> None:
        """Take what belongs to subscribed topics."""
        topics = self._topics
        heard = [event for event in events if (event.room if type(event) is Entry else event.topic) in topics]  # type: ignore[union-attr]
        if not heard or self._closed:
            return
        self._waiting += heard
        if len(self._waiting) > self._capacity:
            self.interrupt("more happened than was taken up")
        self._news.set()

    def tell(self, state: StoreState) -> None:
        """The store is in another state: concerns every topic."""
        if not self._closed:
            self._waiting.append(state)
            self._news.set()

    def interrupt(self, reason: str) -> None:
        """Drop what waits, and say so."""
        self._waiting = [Interrupted(reason)]
        self._news.set()

    async def events(self) -> AsyncIterator[Sequence[Event]]:
        """See ``Broker.events``. A consumer after another begins with ``Interrupted``: who knows where that one was."""
        if self._consumed:
            self.interrupt("the consumer began anew")
        self._consumed = True
        while True:
            await self._news.wait()
            self._news.clear()
            if self._waiting:
                batch, self._waiting = self._waiting, []
                yield batch
            if self._closed and not self._waiting:
                # For a consumer that comes after the end.
                self._news.set()
                return

    def close(self) -> None:
        """Let ``events`` end, after what waits."""
        self._closed = True
        self._news.set()
