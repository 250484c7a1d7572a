"""What can befall the load balancer."""

from __future__ import annotations

from typing import Final

from datchat.drills.scenarios.scenario import Scenario
from datchat.drills.stage import Stage
from datchat.drills.targets import Ability


async def kill(stage: Stage) -> None:
    async with stage.killed(await stage.balancer()):
        await stage.hold(2)


async def restart(stage: Stage) -> None:
    async with stage.stopped(await stage.balancer()):
        await stage.hold(0.2)


SCENARIOS: Final = (
    Scenario(
        name="haproxy-kill",
        text="The load balancer is killed with -9 and comes back two seconds later. Everybody's socket breaks at the "
        "same moment, and everybody comes back spread over the seconds after it. Those who stand beside a node notice "
        "nothing.",
        steps=kill,
        needs=frozenset({Ability.BREAK_BALANCER}),
    ),
    Scenario(
        name="haproxy-restart",
        text="The load balancer is stopped in order and started again: its sockets end with it, and people come back.",
        steps=restart,
        needs=frozenset({Ability.BREAK_BALANCER}),
    ),
)
