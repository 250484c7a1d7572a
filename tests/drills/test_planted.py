"""
Bugs planted in running nodes, each found by the drill and named by the checker that is there for it.

Where one node can show the bug it is one node, on a store in memory, and nothing is broken from outside. What nodes do
wrong with copies is planted in a real cluster, which is split.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from datchat.backends.memory import MemoryBackend
from datchat.chat import wire
from datchat.chat.model import Cursor, Draft, Entry, Notice, Receipt
from datchat.drills.commands import NODES
from datchat.drills.options import CLIENTS, RATE
from datchat.drills.result import Result
from datchat.drills.run import Drill, Order
from datchat.drills.scenarios import SCENARIOS, Scenario
from datchat.drills.stage import Stage
from datchat.drills.targets import Ability, Part, Usage
from datchat.drills.targets.local import fresh
from datchat.drills.workload.crowd import Size
from datchat.errors import Indeterminate
from datchat.node.connection import Connection
from datchat.node.hub import Hub, HubRoom
from support.clusters import needs_root, needs_servers
from support.serving import serving

EVERY = 10
"""A planted fault comes each so many posts."""
LATE_S = 0.05
PLANTS = Path(__file__).with_name("plants")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who will never be level, or answered, is not waited for as long as in a real drill."""
    monkeypatch.setattr("datchat.drills.workload.datchat.LEVEL_S", 3.0)
    monkeypatch.setattr("datchat.drills.run.SETTLE_S", 5.0)


class OneNode:
    """A ``Target``: one node, with nothing that could be broken."""

    name = "one node"
    lacks: Mapping[Ability, str] = {}
    versions: Mapping[str, str] = {}

    def __init__(self, url: str) -> None:
        self.url = url

    async def parts(self) -> Sequence[Part]:
        return [Part("web7", "web", "running")]

    async def door(self, node: str) -> str:
        return self.url

    async def trouble(self) -> str | None:
        return None

    async def usage(self, part: str) -> Usage | None:
        return None

    async def log(self, part: str) -> str:
        return ""

    def __getattr__(self, act: str) -> Callable[..., Awaitable[None]]:
        raise AssertionError(f"{act}: there is nothing to break here")


async def nothing(stage: Stage) -> None:
    """Break nothing."""


CALM = Scenario(name="calm", text="Nothing is broken.", steps=nothing, lasts_s=3, silence_s=60)


async def drilled(backend: MemoryBackend) -> Result:
    """What a calm drill of one node on this store comes to."""
    async with serving(backend) as served:
        return await Drill(CALM, OneNode(served.url), Order(seed=3, size=Size(clients=10, rate=80))).run()


def found(result: Result) -> set[str]:
    return {anomaly.checker for anomaly in result.anomalies}


async def test_a_sound_node_is_valid() -> None:
    """Where nothing is planted nothing is found."""
    result = await drilled(MemoryBackend())

    assert result.verdict == "valid", (result.anomalies, result.unknown)
    assert result.acknowledged > 50


Append = Callable[[Draft], Awaitable[Receipt]]


def planted(change: Callable[[MemoryBackend, Append, int, Draft], Awaitable[Receipt]]) -> MemoryBackend:
    """A store whose every so many-th append is done by ``change``, which is given the right way to do it."""
    backend = MemoryBackend()
    right = backend.broker.append
    count = 0

    async def append(draft: Draft) -> Receipt:
        nonlocal count
        count += 1
        return await (change(backend, right, count, draft) if count % EVERY == 0 else right(draft))

    backend.broker.append = append  # type: ignore[method-assign]
    return backend


async def test_acknowledged_before_it_is_stored() -> None:
    """A post is told to be stored and isn't: lost."""

    async def change(backend: MemoryBackend, right: Append, count: int, draft: Draft) -> Receipt:
        top = await backend.broker.top(draft.room)
        return Receipt(Cursor(top.offset + 1, f"{count:016x}"), copies=1, duplicate=False)

    result = await drilled(planted(change))

    assert result.verdict == "invalid"
    assert "kept" in found(result)
    assert result.lost > 0


async def test_the_nonce_is_not_looked_at() -> None:
    """What is sent again is stored again: doubled."""

    async def change(backend: MemoryBackend, right: Append, count: int, draft: Draft) -> Receipt:
        await right(draft)
        backend.broker._nonces.clear()
        raise Indeterminate("the store did not confirm in time")

    result = await drilled(planted(change))

    assert result.verdict == "invalid"
    assert "once" in found(result)
    assert result.doubled > 0


def late_feed() -> MemoryBackend:
    """A store that tells of every so many-th entry only after the ones behind it."""
    backend = MemoryBackend()
    publish = backend._feed.publish
    count = 0

    def publish_late(events: Iterable[Entry | Notice]) -> None:
        nonlocal count
        for event in events:
            count += isinstance(event, Entry)
            if isinstance(event, Entry) and count % EVERY == 0:
                asyncio.get_running_loop().call_later(LATE_S, publish, [event])
            else:
                publish([event])

    backend._feed.publish = publish_late  # type: ignore[method-assign]
    return backend


async def test_a_sound_node_bears_a_late_feed() -> None:
    """The gap rule makes up for what comes late."""
    result = await drilled(late_feed())

    assert result.verdict == "valid", (result.anomalies, result.unknown)


async def test_the_gap_rule_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node sends what comes as it comes. Clients make up for it, and the drill sees it all the same: a gap."""
    right = Hub.deliver

    def deliver(hub: Hub, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if (room := hub.get(entry.room)) is not None:
                room.offset = entry.offset - 1
            right(hub, [entry])

    monkeypatch.setattr(Hub, "deliver", deliver)
    result = await drilled(late_feed())

    assert result.verdict == "invalid"
    assert "gapless" in found(result)
    assert result.gaps > 0


@pytest.mark.parametrize("by", [-1, 1], ids=["one again", "one left out"])
async def test_a_cursor_off_by_one(by: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who goes on from a cursor is told an entry again, or not at all: a gap, though clients notice."""
    right = Connection._backlog

    async def backlog(self: Connection, command: wire.Join, room: HubRoom) -> tuple[list[Entry], Cursor, bool, bool]:
        entries, cursor, more, reset = await right(self, command, room)
        if command.cursor is not None and entries and not reset:
            after = Cursor.parse(command.cursor).offset
            entries = [*await self._node.broker.scan(command.room, max(0, after + by), len(entries) - by)]
        return entries, cursor, more, reset

    monkeypatch.setattr(Connection, "_backlog", backlog)
    result = await drilled(MemoryBackend())

    assert result.verdict == "invalid"
    assert "gapless" in found(result)


async def test_a_session_that_does_not_end() -> None:
    """Signed out, and the session still opens doors."""
    backend = MemoryBackend()

    async def end_session(session_id: str) -> None:
        return

    backend.accounts.end_session = end_session  # type: ignore[method-assign]
    result = await drilled(backend)

    assert result.verdict == "invalid"
    assert "sessions" in found(result)


async def test_a_checker_that_fails_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The drill's own failure is never a pass."""

    def broken(history: Any) -> Any:
        raise KeyError("lobby")

    monkeypatch.setattr("datchat.drills.workload.datchat.CHECKERS", {"kept": broken})
    result = await drilled(MemoryBackend())

    assert result.verdict == "unknown"
    assert result.unknown == {"kept": "KeyError: 'lobby'"}


async def test_a_target_that_fails_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """So is a cluster that can't be drilled to the end."""

    monkeypatch.setattr("datchat.drills.stage.WHOLE_S", 0.1)

    async def fail(stage: Stage) -> None:
        await stage.master()

    scenario = dataclasses.replace(CALM, steps=fail)
    async with serving() as served:
        target = OneNode(served.url)
        result = await Drill(scenario, target, Order(seed=3, size=Size(clients=10, rate=80))).run()

    assert result.verdict == "unknown"
    assert "no Redis server is master" in result.unknown["drill"]


@needs_root
@needs_servers
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("plant", "checker"), [("acknowledged_before_replicated", "kept"), ("published_before_safe", "safe")]
)
async def test_a_cluster_that_does_not_wait_for_its_copies(
    plant: str, checker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What only the losing side of a split has is acknowledged, or shown, and vanishes."""
    # What was shown is in nobody's log: readers start over, and are level by then or never.
    monkeypatch.setattr("datchat.drills.run.SETTLE_S", 30.0)
    variables = {**NODES, "PYTHONPATH": str(PLANTS), "PLANT": plant}
    async with fresh(variables) as cluster:
        order = Order(seed=20151114, size=Size(clients=CLIENTS, rate=RATE))
        result = await Drill(SCENARIOS["redis-split"], cluster, order).run()

    assert result.verdict == "invalid", result.unknown
    assert checker in found(result), result.anomalies
