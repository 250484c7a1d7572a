"""The walk of the original's README, of 2015."""

from __future__ import annotations

from typing import Final

from datchat.drills.scenarios.scenario import Scenario
from datchat.drills.stage import Stage
from datchat.drills.targets import Ability


async def walk(stage: Stage) -> None:
    master = await stage.master()
    async with stage.stopped(master):
        await stage.hold(5)
    await stage.whole()
    node = sorted(await stage.nodes())[0]
    async with stage.stopped(node):
        await stage.hold(1)
    await stage.whole()
    async with stage.stopped(await stage.balancer()):
        await stage.hold(0.5)


SCENARIOS: Final = (
    Scenario(
        name="original",
        text="The walk of the original of 2015: people talk over several nodes; the Redis master is stopped, a "
        "replica is promoted, everybody goes on talking, and the old master comes back as a replica. Then a node is "
        "stopped, and the load balancer. In 2015 every socket that posted died at the first step.",
        steps=walk,
        needs=frozenset({Ability.BREAK_BALANCER}),
        lasts_s=20,
    ),
)
