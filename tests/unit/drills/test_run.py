"""What goes on beside the people and the faults of a drill."""

from __future__ import annotations

import asyncio
import random

import pytest

from datchat.drills import run, stage
from datchat.drills.run import Drill, Order
from datchat.drills.scenarios import SCENARIOS
from datchat.drills.stage import Stage
from datchat.drills.targets import TargetError, Usage
from datchat.drills.workload.crowd import Crowd, Size
from support.eventually import eventually
from unit.drills.fake_target import FakeTarget


class Shy(FakeTarget):
    """Can't be asked some times, and then can."""

    def __init__(self, silent: int) -> None:
        super().__init__()
        self.silent = silent

    async def usage(self, part: str) -> Usage | None:
        self.silent -= 1
        if self.silent >= 0:
            raise TargetError("the managers have no leader")
        return Usage(1, 2, 3)


async def test_looks_that_come_to_nothing_end_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is asked may have gone with a crashed host: it is asked again. Where most looks failed, that is told."""
    monkeypatch.setattr(run, "SAMPLE_S", 0.001)
    drill = Drill(SCENARIOS["web-kill"], Shy(3), Order(seed=1, size=Size()))
    sampling = asyncio.create_task(drill._sample())
    try:
        await eventually(lambda: drill._missed)
        assert drill._hardly_sampled() == "the managers have no leader"
        await eventually(lambda: drill._looks > 10)
        assert not sampling.done()
        assert len(drill._missed) == 3
        assert drill._hardly_sampled() is None
        assert drill.record.around.samples
    finally:
        sampling.cancel()


class Recovering(FakeTarget):
    """Not whole the first times that it is asked."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times
        self.killed_in_trouble: list[bool] = []

    async def trouble(self) -> str | None:
        self.times -= 1
        return "2 servers are master" if self.times >= 0 else await super().trouble()

    async def kill(self, *parts: str) -> None:
        self.killed_in_trouble.append(self.times >= 0)
        await super().kill(*parts)


class Impatient(Stage):
    """A stage on which nobody waits."""

    async def hold(self, seconds: float) -> None:
        await asyncio.sleep(0)


async def break_something(target: FakeTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "LOOK_S", 0.0)
    monkeypatch.setattr(stage, "WHOLE_S", 0.05)
    crowd = Crowd(Size(), target.url, [], ["lobby"], 1)
    drill = Drill(SCENARIOS["web-kill"], target, Order(seed=1, size=Size()))
    await drill._break(Impatient(target, crowd, random.Random(1), 30.0))


async def test_nothing_is_broken_before_the_cluster_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster that has just had a failover by hand would bear two faults at once."""
    target = Recovering(3)
    await break_something(target, monkeypatch)

    assert target.killed_in_trouble == [False]


async def test_a_cluster_that_is_never_whole_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was not the drill that broke it: that is no verdict against it, and nothing is done to it."""
    target = Recovering(10**9)
    with pytest.raises(TargetError, match=r"nothing was broken: after 0\.05 s .* 2 servers are master"):
        await break_something(target, monkeypatch)

    assert target.killed_in_trouble == []
