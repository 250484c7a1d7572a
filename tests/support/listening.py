"""Hearing a broker's feed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from datchat.chat.model import Entry, Event, Interrupted, Notice
from datchat.ports import Broker


class Ear:
    """Everything that the feed has brought so far."""

    def __init__(self) -> None:
        self.batches: list[list[Event]] = []

    @property
    def events(self) -> list[Event]:
        return [event for batch in self.batches for event in batch]

    @property
    def entries(self) -> list[Entry]:
        return [event for event in self.events if isinstance(event, Entry)]

    @property
    def notices(self) -> list[Notice]:
        return [event for event in self.events if isinstance(event, Notice)]

    @property
    def interruptions(self) -> list[Interrupted]:
        return [event for event in self.events if isinstance(event, Interrupted)]


@asynccontextmanager
async def listening(broker: Broker, *topics: str) -> AsyncIterator[Ear]:
    """Subscribe to the topics and listen."""
    ear = Ear()

    async def listen() -> None:
        async for batch in broker.events():
            ear.batches.append(list(batch))

    for topic in topics:
        await broker.subscribe(topic)
    task = asyncio.get_running_loop().create_task(listen())
    try:
        yield ear
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() or task.exception() is None
