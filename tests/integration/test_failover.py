"""
The promise of docs/guarantees.md on real processes: 200 posts a second by 20 clients over three nodes through HAProxy,
while one part after the other is killed, paused, cut off, restarted or drained. What the clients saw, and the logs at
the end, are judged from outside.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from statistics import median
from typing import Any

import pytest

from datchat.drills.checkers import Verdict
from support.clusters import REDIS, SENTINELS, WEB, Cluster, needs_root, needs_servers
from support.crowd import Crowd, crowd
from support.eventually import eventually
from support.people import fresh

pytestmark = [needs_servers, needs_root, pytest.mark.measures, pytest.mark.timeout(900)]

TIMES = int(os.environ.get("FAILOVER_TIMES", "3"))
"""How many times a master, a replica and a node are killed; 10 for the figures in docs/guarantees.md."""
CLIENTS = 20
RATE = 200
SETTLE_S = 1.0
MOST_LINES = 30
"""What a node may say of a fault and its mending."""
RESUMED_S = {"master killed": 3.3, "replica killed": 2.0, "node killed": 0.5}
"""What the median is to be until everybody's posts are acknowledged again, on a machine that does nothing else."""
SLACK = 1.3
"""Another machine, and few samples."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(
        tmp_path_factory.mktemp("failover") / "c", "--network", "namespaces", DATCHAT_POST_RATE="0"
    ) as cluster:
        yield cluster


class Breaker:
    """Breaks the cluster under a crowd, and writes down how long it took until everybody's posts were acknowledged."""

    def __init__(self, cluster: Cluster, crowd: Crowd) -> None:
        self.cluster = cluster
        self.crowd = crowd
        self.took_s: dict[str, list[float]] = {}
        self.silence_s: dict[str, float] = {}
        self.lines: dict[str, int] = {}
        self._last = ""
        self._lines = self._logged()

    def _logged(self) -> dict[str, int]:
        return {name: self.cluster.log(name).count("\n") for name in WEB}

    async def do(self, *arguments: str) -> Any:
        return await asyncio.to_thread(self.cluster.do, *arguments)

    async def master(self) -> str:
        return await asyncio.to_thread(self.cluster.master)

    async def replica(self) -> str:
        roles = await asyncio.to_thread(self.cluster.roles)
        return next(name for name, role in roles.items() if role == "replica")

    async def strike(self, name: str, *commands: tuple[str, ...], held_s: float = 0.0, timeout_s: float = 20.0) -> None:
        """
        Do the first command, the others after ``held_s``; wait until posts go on, those of everybody who was on the
        node that was struck if it was one, and write down after how long.
        """
        struck_node = commands[0][-1] if commands[0][-1] in WEB else ""
        concerned = self.crowd.on(struck_node) if struck_node else [member.name for member in self.crowd.members]
        assert concerned, "nobody would notice"
        since = self.crowd.now()
        await self.do(*commands[0])
        struck = self.crowd.now()
        if held_s:
            await asyncio.sleep(held_s)
        for command in commands[1:]:
            await self.do(*command)
        took_s = await self.crowd.each_goes_on(struck, concerned, timeout_s)
        await self.crowd.goes_on(struck, timeout_s=timeout_s)
        self.took_s.setdefault(name, []).append(took_s)
        silence_s = self.crowd.history.longest_silence_s(since, self.crowd.now())
        self.silence_s[name] = max(silence_s, self.silence_s.get(name, 0.0))
        self._last = name

    async def mend(self) -> None:
        """Everything runs, one master has its replicas, everybody is on some node."""
        await asyncio.to_thread(self.cluster.mend)
        await eventually(lambda: "nowhere" not in self.crowd.on_nodes(), 20, self.crowd.describe)
        await self.crowd.goes_on(self.crowd.now())
        await asyncio.sleep(SETTLE_S)
        before, self._lines = self._lines, self._logged()
        lines = max(self._lines[name] - before[name] for name in WEB)
        self.lines[self._last] = max(lines, self.lines.get(self._last, 0))

    def report(self) -> str:
        rows = [
            f"{name:30} {min(took):6.2f} {median(took):6.2f} {max(took):6.2f} {self.silence_s[name]:8.2f} "
            f"{self.lines.get(name, 0):6}"
            for name, took in self.took_s.items()
        ]
        head = f"{'fault':30} {'min':>6} {'median':>6} {'max':>6} {'silence':>8} {'lines':>6}"
        return "\n".join([head, *rows])


async def strike_all(breaker: Breaker) -> None:
    """Every fault, one after the other."""
    strike, mend = breaker.strike, breaker.mend

    for _ in range(TIMES):
        await strike("master killed", ("kill", await breaker.master()))
        await mend()
        await strike("replica killed", ("kill", await breaker.replica()))
        await mend()
        await strike("node killed", ("kill", breaker.crowd.busiest()))
        await mend()
    name = await breaker.master()
    await strike("master paused 1.5 s", ("pause", name), ("unpause", name), held_s=1.5)
    await mend()
    name = await breaker.master()
    await strike("master paused 6 s", ("pause", name), ("unpause", name), held_s=6)
    await mend()
    name = await breaker.master()
    await strike("master cut off with a node", ("partition", name, breaker.crowd.busiest()), ("heal",), held_s=6)
    await mend()
    name = await breaker.master()
    await strike("master killed, started at once", ("kill", name), ("start", name))
    await mend()
    name = await breaker.replica()
    await strike("replica paused 3 s", ("pause", name), ("unpause", name), held_s=3)
    await mend()
    await strike("sentinel killed", ("kill", SENTINELS[0]))
    await mend()
    name = breaker.crowd.busiest()
    await strike("node paused 4 s", ("pause", name), ("unpause", name), held_s=4)
    await mend()
    await strike("node drained", ("stop", breaker.crowd.busiest()))
    await mend()
    await strike("haproxy killed", ("kill", "haproxy"), ("start", "haproxy"))
    await mend()
    await strike("all redis killed", ("kill", *REDIS), ("start", *REDIS), timeout_s=45)
    await mend()


async def test_whatever_single_part_fails(cluster: Cluster) -> None:
    """No acknowledged entry is lost, doubled or reordered, and no client has a gap, through all faults in a row."""
    async with crowd(cluster.url, CLIENTS, [fresh("den"), fresh("den")]) as people:
        people.post(RATE)
        await people.goes_on(people.now())
        breaker = Breaker(cluster, people)
        try:
            await strike_all(breaker)
        finally:
            print(breaker.report())
            print(people.describe())
        judgement = await people.finish()
        print(f"{len(people.history.acknowledged())} of {len(people.history.operations)} acknowledged")
    assert judgement.verdict is Verdict.VALID, judgement
    assert len(people.history.acknowledged()) > 0.95 * len(people.history.operations)
    assert {
        name: took for name, took in breaker.took_s.items() if median(took) > SLACK * RESUMED_S.get(name, 60.0)
    } == {}
    assert {name: lines for name, lines in breaker.lines.items() if lines >= MOST_LINES} == {}
