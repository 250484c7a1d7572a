"""Those who read: from the start, from later on, here and there, and slowly."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from datchat.client import Client, ClientFailure, Ended, Kind, Room, RoomEntry, RoomEvent
from datchat.drills.workload.crowd import Crowd
from datchat.drills.workload.people import Person

SLOW_S: Final = (0.5, 2.0)
"""For how long a slow reader stops reading of its own will."""
STAY_S: Final = (0.5, 3.0)
"""How long one who wanders stays."""
AWAY_S: Final = (0.1, 1.5)
VISIT_S: Final = 20.0
"""How long somebody waits at a door that doesn't open before trying the next."""


class Reading:
    """A client that reads rooms until it is closed, and remembers the messages that it could answer."""

    def __init__(self, crowd: Crowd, client: str, chat: Client) -> None:
        self._crowd = crowd
        self._client = client
        self._chat = chat
        self._tasks: list[asyncio.Task[None]] = []
        self.recent: dict[str, deque[tuple[int, str]]] = {}
        """By room: offset and author of the newest messages."""

    async def join(self, rooms: Sequence[str]) -> None:
        """Join, each room from where this client has seen it, and read on."""
        for room in rooms:
            joined = await self._chat.join(room, self._crowd.seen_up_to(self._client, room))
            self.recent[room] = deque(maxlen=32)
            self._crowd.reading.add((self._client, room))
            self._tasks.append(asyncio.create_task(self._read(joined), name=f"{self._client} {room}"))

    async def close(self) -> None:
        """Read no more."""
        for room in self.recent:
            self._crowd.reading.discard((self._client, room))
        for task in self._tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    async def _read(self, room: Room) -> None:
        try:
            async for event in room:
                self._note(room.id, event)
        except Ended as error:
            if error.code != 1000:
                self._crowd.contradicted(self._client, f"was thrown out: {error}")
        except ClientFailure as error:
            self._crowd.contradicted(self._client, error)

    def _note(self, room: str, event: RoomEvent) -> None:
        if isinstance(event, RoomEntry) and event.kind is Kind.MESSAGE:
            self.recent[room].append((event.offset, event.author.id))


async def read(crowd: Crowd, person: Person, urls: Sequence[str], after_s: float = 0.0) -> None:
    """Come after a while, and read until the end."""
    await crowd.wait(after_s)
    async with crowd.connect(person.name, urls, person.token) as chat:
        reading = Reading(crowd, person.name, chat)
        try:
            await reading.join(crowd.rooms)
            await crowd.over.wait()
        finally:
            await reading.close()


async def read_slowly(crowd: Crowd, person: Person, urls: Sequence[str]) -> None:
    """Stop reading now and then, as one whose machine hangs; longer when the crowd is told to freeze."""
    rng = crowd.rng(person.name)
    async with crowd.connect(person.name, urls, person.token) as chat:
        reading = Reading(crowd, person.name, chat)
        try:
            await reading.join(crowd.rooms)
            while not crowd.stopping.is_set():
                await crowd.wait(rng.uniform(*SLOW_S))
                chat.pause_reading()
                await crowd.wait(rng.uniform(*SLOW_S))
                while crowd.frozen and not crowd.stopping.is_set():
                    await crowd.wait(0.1)
                chat.resume_reading()
            await crowd.over.wait()
        finally:
            await reading.close()


async def wander(crowd: Crowd, person: Person, urls: Sequence[str]) -> None:
    """Leave and come back elsewhere, from where one was, and stay at the end."""
    rng = crowd.rng(person.name)
    turn = 0
    while not crowd.stopping.is_set():
        # A node that is down does not answer: whoever stands before it goes on to the next.
        here = urls[turn % len(urls)]
        turn += 1
        await _visit(crowd, person, here, lambda: crowd.wait(rng.uniform(*STAY_S)))
        await crowd.wait(rng.uniform(*AWAY_S))
    while not crowd.over.is_set():
        await _visit(crowd, person, urls[turn % len(urls)], crowd.over.wait)
        turn += 1


async def _visit(crowd: Crowd, person: Person, url: str, stay: Callable[[], Awaitable[object]]) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(VISIT_S) as patience:
            async with crowd.connect(person.name, url, person.token) as chat:
                reading = Reading(crowd, person.name, chat)
                try:
                    await reading.join(crowd.rooms)
                    patience.reschedule(None)
                    await stay()
                finally:
                    await reading.close()
