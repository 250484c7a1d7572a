"""How the store is said to be, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from datchat.backends.redis import state
from datchat.backends.redis.state import StoreWatch
from datchat.backends.redis.url import Address
from datchat.chat.model import StoreState
from support.eventually import eventually

ONE, OTHER = Address("one", 1), Address("other", 1)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter pauses."""
    monkeypatch.setattr(state, "GRACE_S", 0.05)
    monkeypatch.setattr(state, "STEADY_S", 0.05)


@pytest.fixture
async def told() -> list[StoreState]:
    return []


@pytest.fixture
async def watch(told: list[StoreState]) -> Iterator[StoreWatch]:
    watch = StoreWatch(told.append, iter(range(1, 100)).__next__)
    yield watch
    watch.close()


async def test_it_is_failing_over_until_something_was_safe(watch: StoreWatch, told: list[StoreState]) -> None:
    """At first nothing is known; the first safe batch is told."""
    assert watch.state == StoreState(state="failing_over", copies=0, since_ms=1)
    watch.acknowledged(ONE, 3, degraded=False)
    assert told == [StoreState(state="ok", master="one:1", copies=3, since_ms=2)]
    watch.acknowledged(ONE, 3, degraded=False)
    assert len(told) == 1


async def test_a_short_trouble_is_told_to_nobody(watch: StoreWatch, told: list[StoreState]) -> None:
    """Half a second of it is no failover; when it lasts, it is one, and its end is told too."""
    watch.acknowledged(ONE, 3, degraded=False)
    watch.struggling("a hiccup")
    watch.acknowledged(ONE, 3, degraded=False)
    await asyncio.sleep(0.1)
    assert len(told) == 1
    watch.struggling("more")
    watch.struggling("than that")
    await eventually(lambda: len(told) == 2)
    assert (told[1].state, told[1].master) == ("failing_over", "one:1")
    watch.acknowledged(OTHER, 2, degraded=False)
    assert (told[2].state, told[2].master, told[2].copies) == ("ok", "other:1", 2)


async def test_degraded_is_told_as_such(watch: StoreWatch, told: list[StoreState]) -> None:
    """One server left is not ok."""
    watch.acknowledged(ONE, 1, degraded=True)
    watch.acknowledged(ONE, 2, degraded=False)
    assert [change.state for change in told] == ["degraded", "ok"]


async def test_a_number_of_copies_is_told_when_it_stays(watch: StoreWatch, told: list[StoreState]) -> None:
    """A replica that is slow once is no news; one that has gone is."""
    watch.acknowledged(ONE, 3, degraded=False)
    watch.acknowledged(ONE, 2, degraded=False)
    watch.acknowledged(ONE, 3, degraded=False)
    await asyncio.sleep(0.1)
    assert len(told) == 1
    watch.acknowledged(ONE, 2, degraded=False)
    await eventually(lambda: len(told) == 2)
    assert told[1] == StoreState(state="ok", master="one:1", copies=2, since_ms=2)


async def test_a_failover_is_told_at_once(watch: StoreWatch, told: list[StoreState]) -> None:
    """Another master is news, however quickly it came."""
    watch.acknowledged(ONE, 3, degraded=False)
    watch.acknowledged(OTHER, 3, degraded=False)
    assert [change.master for change in told] == ["one:1", "other:1"]
