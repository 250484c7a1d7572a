"""What can befall the sentinels."""

from __future__ import annotations

from typing import Final

from datchat.drills.scenarios.scenario import Scenario
from datchat.drills.stage import Stage
from datchat.drills.targets import Ability


async def kill(stage: Stage) -> None:
    async with stage.killed((await stage.sentinels())[0]):
        await stage.hold(5)


async def partition(stage: Stage) -> None:
    async with stage.cut_off((await stage.sentinels())[0]):
        await stage.hold(5)


SCENARIOS: Final = (
    Scenario(
        name="sentinel-kill",
        text="One of three sentinels is killed with -9 and comes back five seconds later. Two are a majority: nobody "
        "notices anything.",
        steps=kill,
        silence_s=10,
    ),
    Scenario(
        name="sentinel-partition",
        text="One sentinel is cut off for five seconds. It takes the master for down, and its word alone starts "
        "nothing: neither a failover nor a node's doubt. Nobody notices anything.",
        steps=partition,
        needs=frozenset({Ability.CUT}),
        silence_s=10,
    ),
)
