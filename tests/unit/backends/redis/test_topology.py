"""Looking for the master: whom to believe, and what a doubt does."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable

import pytest
import structlog.testing

from datchat.backends.redis import ack, topology
from datchat.backends.redis.ack import Replica, Sentinel
from datchat.backends.redis.backoff import pause_s
from datchat.backends.redis.sentinels import Sentinels, _read
from datchat.backends.redis.tasks import Tasks
from datchat.backends.redis.topology import Found, Topology
from datchat.backends.redis.url import Access, Address, parse
from datchat.errors import ConfigurationError, Unavailable
from support.eventually import eventually

ONE, OTHER, THIRD = Address("one", 1), Address("other", 2), Address("third", 3)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that looks once."""
    monkeypatch.setattr(topology, "START_S", 0.0)


class FakeFinder:
    """Answers what it is told to: a master, or an error."""

    rule = ack.EVERY_PROMOTABLE
    access = Access()
    majority = 2

    def __init__(self, answer: Found | Exception) -> None:
        self.answer = answer
        self.looks = 0
        self.voices: list[Sentinel] = []
        self.trigger: Callable[[], None] = lambda: None

    def start(self, tasks: Tasks, trigger: Callable[[], None]) -> None:
        self.trigger = trigger

    async def find(self) -> Found:
        self.looks += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def ask(self) -> list[Sentinel]:
        return self.voices

    def close(self) -> None:
        pass


@pytest.fixture
async def tasks() -> AsyncIterator[Tasks]:
    tasks = Tasks(random.Random(1))
    yield tasks
    await tasks.stop()


async def started(finder: FakeFinder, tasks: Tasks) -> Topology:
    opened = Topology(finder, tasks, random.Random(1))
    await opened.start()
    return opened


async def test_a_master_that_is_there_is_found_at_once(tasks: Tasks) -> None:
    """After ``start`` nobody need wait."""
    found = await started(FakeFinder(Found(ONE, frozenset({OTHER}))), tasks)
    assert await found.master() == ONE
    assert found.known == {OTHER}
    found.check_hope()


async def test_a_start_has_some_patience(tasks: Tasks, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is slow to answer at first is no reason to begin without a store."""
    monkeypatch.setattr(topology, "START_S", 5.0)
    finder = FakeFinder(Unavailable("away"))
    starting = asyncio.ensure_future(started(finder, tasks))
    await eventually(lambda: finder.looks >= 2)
    finder.answer = Found(ONE)
    assert (await starting).settled


async def test_a_mistake_of_the_operator_ends_the_start(tasks: Tasks) -> None:
    """What only the operator mends is raised; what may heal is not."""
    with pytest.raises(ConfigurationError):
        await started(FakeFinder(ConfigurationError("wrong")), tasks)
    away = await started(FakeFinder(Unavailable("away")), tasks)
    assert not away.settled
    with pytest.raises(Unavailable, match="away"):
        away.check_hope()


async def test_the_look_up_goes_on_until_there_is_a_master(tasks: Tasks) -> None:
    """Whoever waits gets it; a mistake that shows later does not end the search."""
    finder = FakeFinder(Unavailable("away"))
    found = await started(finder, tasks)
    waiting = asyncio.ensure_future(found.master())
    finder.answer = ConfigurationError("wrong by now")
    looks = finder.looks
    await eventually(lambda: finder.looks > looks)
    assert not waiting.done()
    finder.answer = Found(ONE)
    finder.trigger()
    assert await waiting == ONE


async def test_a_doubt_is_a_look_up(tasks: Tasks) -> None:
    """Nobody gets a master while it is in doubt; the reason is kept for those who ask."""
    finder = FakeFinder(Found(ONE))
    found = await started(finder, tasks)
    told: list[str] = []
    found.on_doubt = told.append
    finder.answer = Unavailable("it does not answer")
    found.doubt("a batch was late", ONE)
    assert told == ["a batch was late"]
    assert not found.settled
    found.check_hope()
    await eventually(lambda: found.reason == "it does not answer")
    finder.answer = Found(ONE)
    assert await found.master() == ONE


async def test_a_doubt_about_a_former_master_is_ignored(tasks: Tasks) -> None:
    """A late word about somebody who is master no more."""
    found = await started(FakeFinder(Found(ONE)), tasks)
    found.doubt("late", OTHER)
    assert found.settled


async def test_a_switch_is_told_and_remembered(tasks: Tasks) -> None:
    """The old master was deposed, until it is seen attached; users of the original look for the line in the log."""
    finder = FakeFinder(Found(ONE, frozenset({OTHER, THIRD})))
    found = await started(finder, tasks)
    told: list[Address] = []
    found.on_found = told.append
    finder.answer = Found(OTHER, frozenset({THIRD}))
    with structlog.testing.capture_logs() as lines:
        found.doubt("gone", ONE)
        assert await found.master() == OTHER
    assert [line["event"] for line in lines] == ["reconnecting to new redis master"]
    assert told == [OTHER]
    assert found.known == {ONE, THIRD}
    assert list(found.deposed()) == [ONE]
    found.attached([ONE])
    assert list(found.deposed()) == []


async def test_a_deposition_is_old_after_half_a_minute(tasks: Tasks, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the sentinels may well make it master again."""
    finder = FakeFinder(Found(ONE))
    found = await started(finder, tasks)
    finder.answer = Found(OTHER)
    found.doubt("gone", ONE)
    await found.master()
    monkeypatch.setattr(topology, "DEPOSED_S", 0.0)
    assert list(found.deposed()) == []


async def test_who_becomes_master_again_is_not_deposed(tasks: Tasks) -> None:
    """It was, and is no more."""
    finder = FakeFinder(Found(ONE))
    found = await started(finder, tasks)
    for address in (OTHER, ONE):
        finder.answer = Found(address)
        found.doubt("gone")
        await found.master()
    assert list(found.deposed()) == [OTHER]


async def test_replicas_are_not_forgotten_while_the_master_stays(tasks: Tasks) -> None:
    """One that was seen attached counts, whatever the sentinels have found of it."""
    finder = FakeFinder(Found(ONE, frozenset({OTHER})))
    found = await started(finder, tasks)
    found.attached([THIRD])
    found.doubt("a hiccup", ONE)
    await found.master()
    assert found.known == {OTHER, THIRD}


async def test_sentinels_that_name_another_are_heard(tasks: Tasks, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any message of a switch: a majority that names another raises a doubt, one voice does not."""
    monkeypatch.setattr(topology, "TEND_S", 0.01)
    finder = FakeFinder(Found(ONE))
    found = await started(finder, tasks)
    finder.voices = [Sentinel("a", OTHER), Sentinel("b", ONE, replicas={THIRD: Replica(False, True)})]
    await eventually(lambda: found.known == {THIRD})
    assert finder.looks == 1
    finder.answer = Found(OTHER)
    finder.voices = [Sentinel("a", OTHER), Sentinel("b", OTHER)]
    await eventually(lambda: found.current == OTHER)


# Sentinels


async def test_a_majority_elects() -> None:
    """Two of three that agree, whatever the third says; never one alone."""
    sentinels = Sentinels(parse("redis+sentinel://a,b,c/main"), random.Random(1))
    a, b, c = Sentinel("a", ONE), Sentinel("b", ONE), Sentinel("c", OTHER)
    assert sentinels._elect([a, b, c]) == ONE
    assert sentinels._elect([a, b]) == ONE
    for voices, sentence in (
        ([a, c], "disagree"),
        ([a], "only 1 of 3 sentinels"),
        ([], "no sentinel answers"),
    ):
        with pytest.raises(Unavailable, match=sentence):
            sentinels._elect(voices)
    with pytest.raises(ConfigurationError, match="no sentinel knows a master named 'main'"):
        sentinels._elect([Sentinel("a", None), Sentinel("b", None)])


def fields(**values: str) -> list[bytes]:
    return [part.encode() for name, value in values.items() for part in (name.replace("_", "-"), value)]


def test_what_a_sentinel_says_is_read() -> None:
    """Whom it hands out, its epoch, what it sees down, and the replicas with their priorities."""
    master = fields(ip="one", port="1", flags="s_down,master,o_down", config_epoch="7", num_other_sentinels="2")
    replicas = [
        fields(ip="other", port="2", flags="s_down,slave,disconnected", slave_priority="100"),
        fields(ip="third", port="3", flags="slave", slave_priority="0"),
    ]
    said = _read("id", [b"one", b"1"], master, replicas)
    assert said == Sentinel(
        "id",
        ONE,
        epoch=7,
        down=True,
        failing_over=False,
        replicas={OTHER: Replica(down=True, promotable=True), THIRD: Replica(down=False, promotable=False)},
        others=2,
    )
    unknown = _read("id", None, ValueError("ERR No such master"), ValueError("ERR No such master"))
    assert unknown == Sentinel("id", None)


def test_a_master_that_is_being_replaced() -> None:
    """It fails over the one that it hands out; once it hands out the new one, what it says is of the old one."""
    old = fields(ip="one", port="1", flags="s_down,master,failover_in_progress", config_epoch="7")
    failing = _read("id", [b"one", b"1"], old, [])
    assert (failing.master, failing.failing_over, failing.down) == (ONE, True, True)
    promoted = _read("id", [b"other", b"2"], old, [])
    assert (promoted.master, promoted.failing_over, promoted.down, promoted.epoch) == (OTHER, False, False, 7)


def test_pauses_grow_to_a_cap_and_differ() -> None:
    """At least half of the doubled pause, never more than the cap, and not for everybody the same."""
    rng = random.Random(1)
    for failures in range(60):
        longest = min(1.0, 0.05 * 2.0**failures)
        assert longest / 2 <= pause_s(failures, rng) <= longest
    assert pause_s(9, rng) != pause_s(9, rng)
