"""What can befall the clocks."""

from __future__ import annotations

from typing import Final

from datchat.drills.scenarios.scenario import Scenario
from datchat.drills.stage import Stage
from datchat.drills.targets import Ability

HOUR_S: Final = 3600


async def jump(stage: Stage) -> None:
    for part in ((await stage.nodes())[0], (await stage.replicas())[0], await stage.master()):
        for by_s in (HOUR_S, -HOUR_S):
            async with stage.clock_moved(part, by_s):
                await stage.hold(1.5)


SCENARIOS: Final = (
    Scenario(
        name="clock-jump",
        text="The time of day of a node, of a replica and of the Redis master jumps an hour ahead, back, an hour "
        "behind, and back. Durations, deadlines and the order of entries hang on no time of day, so nobody notices "
        "more than odd times beside what is said meanwhile.",
        steps=jump,
        needs=frozenset({Ability.JUMP_CLOCK}),
        lasts_s=25,
    ),
)
