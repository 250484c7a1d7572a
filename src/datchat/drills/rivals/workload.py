"""The people of a drill as they use a rival: they post, read, come late, and open the page again when it breaks."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from datchat.client.clock import boottime
from datchat.drills import numbers
from datchat.drills.checkers import Checker
from datchat.drills.circumstances import Circumstances
from datchat.drills.circumstances import checkers_for as checkers_around
from datchat.drills.history import History, Logged, Operation, Outcome, Seen
from datchat.drills.rivals import judging
from datchat.drills.rivals.judging import View
from datchat.drills.rivals.rival import Busy, Gone, Guest, Message, Page, Rival
from datchat.drills.targets import TargetError
from datchat.drills.waiting import comes_true, first, happens
from datchat.drills.workload.crowd import Crowd

APPLY_AROUND: Final = ("available", "healed", "bounded")
"""Of what went on around; a rival knows no sessions that could outlive their end, and says nothing of its readiness."""
ARRIVE_S: Final = 60.0
READ_S: Final = 60.0
"""How long reading the history is tried."""
LEVEL_S: Final = 10.0
"""How long pages may take to have shown the end of the history."""
BACK_S: Final = (0.1, 1.0)
"""After how long a page that broke is opened again, as our own people do."""
BUSY_S: Final = 0.3
UNDER_WAY: Final = 200
"""Posts of one person without an answer; who has more waits."""


class RivalWorkload:
    """A ``Workload``."""

    leaves_out: Mapping[str, str] = MappingProxyType(
        {"slow-readers": "the people of a rival can't be had to stop reading"}
    )

    def __init__(self, rival: Rival) -> None:
        self._rival = rival
        self._views: list[View] = []
        self._host: Guest | None = None

    @property
    def system(self) -> str:
        return self._rival.system

    @property
    def versions(self) -> Mapping[str, str]:
        return self._rival.versions

    def rooms(self) -> list[str]:
        return self._rival.rooms()

    async def let_in(self, crowd: Crowd, lasts_s: float) -> None:
        names = ["host-1", *roles(crowd.size.clients, len(crowd.doors))]
        async with asyncio.timeout(ARRIVE_S):
            self._host, *guests = await asyncio.gather(*(self._arrive(crowd, name) for name in names))
        rate = crowd.size.rate / sum(not guest.name.startswith(("reader", "late")) for guest in guests)
        doors = iter(crowd.doors)
        for guest in guests:
            match guest.name.rpartition("-")[0]:
                case "neighbour":
                    self._begin(crowd, guest, next(doors), rate)
                case "poster":
                    self._begin(crowd, guest, crowd.url, rate)
                case "reader":
                    self._begin(crowd, guest, crowd.url)
                case _:
                    late_s = crowd.rng(guest.name).uniform(0.2, 0.6) * lasts_s
                    self._begin(crowd, guest, crowd.url, after_s=late_s)

    async def let_more_in(self, crowd: Crowd, count: int) -> None:
        for number in range(1, count + 1):
            if crowd.stopping.is_set():
                return
            self._begin(crowd, await self._arrive(crowd, f"storm-{number}"), crowd.url)

    async def read_log(self, crowd: Crowd, room: str) -> None:
        if self._host is None:
            raise TargetError("nobody has arrived who could read the history")
        deadline = boottime() + READ_S
        while True:
            try:
                messages = await self._rival.history(self._host, crowd.url, room)
            except (Gone, Busy) as error:
                if boottime() > deadline:
                    raise TargetError(f"the history of {room} can't be read: {error}") from error
                await asyncio.sleep(BUSY_S)
            else:
                crowd.history.log[room] = [as_logged(message, n) for n, message in enumerate(messages, 1)]
                return

    async def level(self, crowd: Crowd) -> None:
        await comes_true(lambda: not self._behind(crowd), LEVEL_S)

    def checkers(self, around: Circumstances) -> Mapping[str, Checker]:
        beside = checkers_around(around)
        return {**judging.checkers_for(self._views), **{name: beside[name] for name in APPLY_AROUND}}

    def counts(self, history: History) -> numbers.Counts:
        return judging.counts(history, self._views)

    # Internal

    async def _arrive(self, crowd: Crowd, name: str) -> Guest:
        while True:
            try:
                return await self._rival.arrive(crowd.url, name)
            except (Gone, Busy):
                await asyncio.sleep(BUSY_S)

    def _begin(self, crowd: Crowd, guest: Guest, url: str, rate: float = 0.0, after_s: float = 0.0) -> None:
        visitor = _Visitor(self._rival, crowd, guest, url, self._views)
        crowd.begin(guest.name, visitor.stay(after_s))
        if rate:
            crowd.begin(f"{guest.name} posts", visitor.post(rate))

    def _behind(self, crowd: Crowd) -> bool:
        history = crowd.history
        for client, room in crowd.reading:
            shown = {seen.entry.nonce for seen in history.seen.get((client, room), ())}
            if any(entry.nonce not in shown for entry in history.log.get(room, ())):
                return True
        return False


class _Visitor:
    """One person at a page."""

    def __init__(self, rival: Rival, crowd: Crowd, guest: Guest, url: str, views: list[View]) -> None:
        self._rival = rival
        self._crowd = crowd
        self._guest = guest
        self._url = url
        self._views = views
        self._rng: random.Random = crowd.rng(guest.name)
        self._page: Page | None = None
        self._opened = asyncio.Event()
        self._view: dict[str, View] = {}

    async def stay(self, after_s: float) -> None:
        """Read every room until the end, on one page after the other."""
        crowd, name = self._crowd, self._guest.name
        await crowd.wait(after_s)
        crowd.reading.update((name, room) for room in crowd.rooms)
        while not crowd.over.is_set():
            if not self._rival.numbered:
                self._view = {room: View(name, room) for room in crowd.rooms}
                self._views += self._view.values()
            try:
                async with self._rival.visit(self._guest, self._url, crowd.rooms, self._show) as page:
                    crowd.history.connections.append((boottime(), name, self._url))
                    self._page = page
                    self._opened.set()
                    await first(page.closed, crowd.over)
            except (Gone, Busy):
                pass
            finally:
                self._page = None
                self._opened.clear()
            await happens(crowd.over, self._rng.uniform(*BACK_S))

    async def post(self, rate: float) -> None:
        """Post until it is time to stop, and see everything through."""
        crowd, name = self._crowd, self._guest.name
        rng = crowd.rng(f"{name} posts")
        crowd.posting.add(name)
        under_way: set[asyncio.Task[None]] = set()
        count = 0
        try:
            while not crowd.stopping.is_set():
                await crowd.wait(rng.expovariate(rate * crowd.haste))
                # A page that is closed can't be typed into.
                if crowd.stopping.is_set() or len(under_way) >= UNDER_WAY or self._page is None:
                    continue
                room, nonce = rng.choice(list(crowd.rooms)), f"{rng.getrandbits(128):032x}"
                message = Message(room, f"{name} says {count} {nonce}")
                count += 1
                task = asyncio.create_task(self._see_through(message), name=f"{name} {count}")
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            if under_way:
                await asyncio.wait(under_way, timeout=crowd.settle_s)
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)
            crowd.posting.discard(name)

    async def _see_through(self, message: Message) -> None:
        operation = Operation(self._guest.name, message.room, message.nonce, message.text, boottime())
        operation.outcome, operation.reason = Outcome.UNKNOWN, "given up when the drill ended"
        self._crowd.history.operations.append(operation)
        while True:
            await self._opened.wait()
            try:
                if (page := self._page) is not None:
                    await page.post(message)
                    operation.completed_at, operation.outcome, operation.reason = boottime(), Outcome.STORED, ""
                    return
            except (Gone, Busy) as error:
                if not self._rival.knows_again:
                    operation.completed_at, operation.reason = boottime(), str(error)
                    return
            await asyncio.sleep(BUSY_S)

    def _show(self, message: Message) -> None:
        history, name = self._crowd.history, self._guest.name
        shown = history.seen.setdefault((name, message.room), [])
        shown.append(Seen(boottime(), as_logged(message, 0)))
        if message.room in self._view:
            self._view[message.room].nonces.append(message.nonce)


def roles(clients: int, doors: int) -> list[str]:
    """A neighbour for each node, then at least one who posts, who reads, and who reads from later on."""
    return list(_roles(max(clients, doors + 3), doors))


def _roles(clients: int, doors: int) -> Iterator[str]:
    yield from (f"neighbour-{number}" for number in range(1, doors + 1))
    kinds = ("poster", "reader", "late-reader")
    yield from (f"{kinds[number % 3]}-{number // 3 + 1}" for number in range(clients - doors))


def as_logged(message: Message, number: int) -> Logged:
    """A message in the form of histories."""
    return Logged(message.room, number, "", message.text.encode(), message.nonce, message.text)
