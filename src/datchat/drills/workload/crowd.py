"""Everybody who takes part in a drill, and what they share: the rooms, the seed, when to stop."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from datchat.client import Client, Cursor, Options
from datchat.client.clock import boottime
from datchat.drills.circumstances import Circumstances, Contradiction
from datchat.drills.history import History
from datchat.drills.waiting import comes_true, happens


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much goes on."""

    clients: int = 12
    rate: float = 60.0
    """Posts a second, of all together."""


@dataclass
class Crowd:
    """
    What the people of a drill share. ``stopping`` is set when nobody begins anything more, ``over`` when the log has
    been read and nobody need look any longer.
    """

    size: Size
    url: str
    doors: Sequence[str]
    """The nodes, past the load balancer."""
    rooms: Sequence[str]
    seed: int
    history: History = field(default_factory=History)
    around: Circumstances = field(default_factory=Circumstances)
    settle_s: float = 60.0
    """How long what is under way at the end may take."""
    haste: float = 1.0
    """By how much everybody posts faster than usual just now."""
    frozen: bool = False
    """Whether slow readers have stopped reading just now."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    crashes: list[str] = field(default_factory=list)
    """What went wrong in the drill itself. It can't be judged then."""
    reading: set[tuple[str, str]] = field(default_factory=set)
    """Who reads which room now."""
    posting: set[str] = field(default_factory=set)
    """Who has something under way."""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def rng(self, client: str) -> random.Random:
        """A source of chance for one client, the same in every run with this seed."""
        return random.Random(f"{self.seed} {client}")

    def begin(self, client: str, life: Coroutine[Any, Any, None]) -> None:
        """Let somebody live; what goes wrong in it makes the drill unknown, never valid."""
        task = asyncio.get_running_loop().create_task(life, name=client)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def connect(self, client: str, urls: str | Sequence[str], token: str) -> Client:
        """A client whose history is written."""
        options = Options(flush_s=self.settle_s, stable_s=2.0, backoff_cap_s=1.0)
        observer = self.history.recorder(client)
        return Client(urls, token, options=options, observer=observer, rng=self.rng(client))

    def seen_up_to(self, client: str, room: str) -> Cursor | None:
        """The last place of a room that a client was shown."""
        seen = self.history.seen.get((client, room))
        return Cursor(seen[-1].entry.offset, seen[-1].entry.chain) if seen else None

    def contradicted(self, client: str, what: object) -> None:
        """A client was told what can't be."""
        self.around.contradictions.append(Contradiction(client, boottime(), str(what)))

    async def wait(self, seconds: float) -> None:
        """Wait, but not beyond the moment to stop."""
        await happens(self.stopping, seconds)

    async def quiet(self, timeout_s: float) -> bool:
        """Wait until nobody has anything under way; False when it isn't so in time."""
        return await comes_true(lambda: not self.posting, timeout_s)

    async def level(self, timeout_s: float) -> bool:
        """Wait until everybody who reads has seen all of the log; False when it isn't so in time."""
        return await comes_true(lambda: not self._behind(), timeout_s)

    async def disperse(self) -> None:
        """Send everybody home, whatever they are at."""
        self.stopping.set()
        self.over.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=10)
        for task in self._tasks:
            task.cancel()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _behind(self) -> bool:
        for client, room in self.reading:
            top = len(self.history.log.get(room, ()))
            place = self.seen_up_to(client, room)
            if top and (place is None or place.offset < top):
                return True
        return False

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.crashes.append(f"{task.get_name()}: {type(error).__name__}: {error}")
