"""Comparing the tops of the logs with what was heard of them."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence

import pytest

from datchat.backends.feed import Feed
from datchat.backends.redis.feed import Subscription, Sweep
from datchat.backends.redis.tasks import Tasks
from datchat.backends.redis.topology import Server, Topology
from datchat.backends.redis.url import Access, Address
from datchat.chat.model import CONTROL, LOBBY, Cursor, Entry, Event, Interrupted, RoomId

SOME_CHAIN = "0123456789abcdef"


def entry(offset: int, chain: str = SOME_CHAIN) -> Entry:
    return Entry(LOBBY, offset, chain, b"{}")


class FakeHeads:
    """Logs that end where they are told to."""

    def __init__(self) -> None:
        self.end = entry(0, "0" * 16)
        self.asked: list[Sequence[RoomId]] = []

    async def tops(self, rooms: Sequence[RoomId]) -> dict[RoomId, Cursor]:
        self.asked.append(rooms)
        return dict.fromkeys(rooms, self.end.cursor)

    async def last(self, room: RoomId) -> Entry | None:
        return self.end


class Bench:
    """A sweep between fake logs and a real feed."""

    def __init__(self, tasks: Tasks) -> None:
        rng = random.Random(1)
        self.feed = Feed()
        self.heads = FakeHeads()
        topology = Topology(Server(Address("h", 1), Access()), tasks, rng)
        self.subscription = Subscription(topology, self.feed, rng)
        self.sweep = Sweep(self.heads, self.subscription, self.feed)

    async def heard(self) -> list[Event]:
        """What the feed holds; nothing more is to come."""
        self.feed.close()
        return [event async for batch in self.feed.events() for event in batch]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    tasks = Tasks(random.Random(1))
    bench = Bench(tasks)
    await bench.subscription.subscribe(LOBBY)
    await bench.subscription.subscribe(CONTROL)
    yield bench
    await tasks.stop()


async def test_an_entry_that_nobody_told_of_is_told(bench: Bench) -> None:
    """What stood there a sweep ago and was not heard since is brought by the sweep."""
    bench.heads.end = entry(3)
    await bench.sweep.sweep()
    await bench.sweep.sweep()
    assert await bench.heard() == [entry(3)]
    assert bench.heads.asked[0] == [LOBBY]


async def test_what_is_on_its_way_is_given_time(bench: Bench) -> None:
    """An entry that was stored since the last sweep will most likely be told yet."""
    await bench.sweep.sweep()
    bench.heads.end = entry(3)
    await bench.sweep.sweep()
    bench.subscription.note(entry(3))
    await bench.sweep.sweep()
    assert await bench.heard() == []


async def test_it_is_told_once(bench: Bench) -> None:
    """Later sweeps find it heard."""
    bench.heads.end = entry(3)
    for _ in range(5):
        await bench.sweep.sweep()
    assert await bench.heard() == [entry(3)]


@pytest.mark.parametrize("end", [entry(2), entry(3, "f" * 16)], ids=["shorter", "another chain"])
async def test_another_history_interrupts(bench: Bench, end: Entry) -> None:
    """A log that has lost what was heard is told of as an interruption, once."""
    bench.subscription.note(entry(3))
    bench.heads.end = end
    await bench.sweep.sweep()
    await bench.sweep.sweep()
    assert [type(event) for event in await bench.heard()] == [Interrupted]


async def test_a_room_that_was_left_is_not_looked_at(bench: Bench) -> None:
    """Nobody is told of rooms without subscription."""
    await bench.subscription.unsubscribe(LOBBY)
    bench.heads.end = entry(3)
    await bench.sweep.sweep()
    await bench.sweep.sweep()
    assert bench.heads.asked == [[], []]
    assert await bench.heard() == []


async def test_an_idle_node_looks_seldom(bench: Bench) -> None:
    """Every period while a room is subscribed, every tenth while none is: there is only the store to watch then."""
    assert [bench.sweep.due() for _ in range(3)] == [True] * 3
    await bench.subscription.unsubscribe(LOBBY)
    assert [bench.sweep.due() for _ in range(20)] == ([False] * 9 + [True]) * 2
