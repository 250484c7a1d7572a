"""What people can do to a cluster in which nothing is broken."""

from __future__ import annotations

from typing import Final

from datchat.drills.scenarios.scenario import Scenario
from datchat.drills.stage import Stage
from datchat.drills.targets import Ability

HASTE: Final = 10.0
STORM: Final = 60


async def calm(stage: Stage) -> None:
    """Nothing."""


async def flood(stage: Stage) -> None:
    async with stage.fault("flood", f"{HASTE:g} times the posts"):
        stage.crowd.haste = HASTE
        await stage.hold(4)
        stage.crowd.haste = 1.0
    await stage.hold(3)


async def slow_readers(stage: Stage) -> None:
    async with stage.fault("freeze", "slow readers"):
        stage.crowd.frozen = True
        await stage.hold(8)
        stage.crowd.frozen = False
    await stage.hold(3)


async def storm(stage: Stage) -> None:
    stage.more_readers(STORM)
    await stage.hold(4)
    async with stage.killed(await stage.balancer()):
        await stage.hold(0.3)
    await stage.hold(4)


SCENARIOS: Final = (
    Scenario(
        name="calm",
        text="Nothing is broken: what a drill sees of a cluster that is well, to hold everything else against. Nobody "
        "waits, and everybody sees everything as it comes.",
        steps=calm,
        lasts_s=10,
        silence_s=10,
    ),
    Scenario(
        name="flood",
        text="For four seconds everybody posts ten times as fast. Posts queue and are stored in larger batches; what a "
        "node can't take is refused as something to try again, never dropped.",
        steps=flood,
    ),
    Scenario(
        name="slow-readers",
        text="Readers stop reading for eight seconds while the rooms go on. They cost the others nothing: a node sets "
        "them aside, keeps no queue for them, and lets them catch up from the log when they wake.",
        steps=slow_readers,
    ),
    Scenario(
        name="storm",
        text=f"{STORM} more readers come, and then the load balancer dies for a moment, so that everybody reconnects "
        "at once. Each goes on from its cursor, whichever node it meets.",
        steps=storm,
        needs=frozenset({Ability.BREAK_BALANCER}),
    ),
)
