"""What can befall the hosts of a cluster that has several."""

from __future__ import annotations

from typing import Final

from datchat.drills.scenarios.scenario import Scenario
from datchat.drills.stage import Stage
from datchat.drills.targets import Ability

SWITCHES: Final = 3
"""How often the master is moved at most, where it can't be chosen whither."""


async def crash(stage: Stage) -> None:
    await _move_master(stage)
    async with stage.host_crashed(await stage.master()):
        await stage.hold(40)


async def drain(stage: Stage) -> None:
    await _move_master(stage)
    async with stage.host_drained(await stage.master()):
        await stage.hold(10)


async def _move_master(stage: Stage) -> None:
    for _ in range(0 if Ability.SWITCH in stage.target.lacks else SWITCHES):
        if await _others_can_elect(stage):
            break
        await stage.switch_master()
        await stage.whole()


async def _others_can_elect(stage: Stage) -> bool:
    """Whether most sentinels are on other hosts than the master's. Of two hosts one has most of them."""
    parts = await stage.target.parts()
    host = next((part.host for part in parts if part.role == "master"), None)
    beside = [part.host == host for part in parts if part.kind == "sentinel"]
    return host is None or 2 * sum(beside) < len(beside)


SCENARIOS: Final = (
    Scenario(
        name="node-crash",
        text="The host that the Redis master is on goes away at once, with everything else that is on it, and is back "
        "after 40 seconds. Whoever was connected through it reconnects elsewhere; the sentinels on the other hosts "
        "choose another master; the tool starts what it can on the hosts that are left. Nothing that was acknowledged "
        "was on that host alone. Where the master's host also has most of the sentinels, as one of two hosts does, "
        "nobody could choose: there the master is moved first, in order.",
        steps=crash,
        needs=frozenset({Ability.CRASH}),
        lasts_s=50,
        silence_s=60,
    ),
    Scenario(
        name="node-drain",
        text="The host that the Redis master is on is emptied in order, as before its maintenance, and used again ten "
        "seconds after: `kubectl drain`, `docker node update --availability drain`, `nomad node drain`. Its nodes and "
        "its load balancer lead people away; the server ends and another is made master. What has its data there waits "
        "for the host. On Kubernetes the disruption budgets keep what must not go: of two pods of a kind that are on "
        "one host the second stays. Where the master's host has most of the sentinels it is moved first, as above.",
        steps=drain,
        needs=frozenset({Ability.DRAIN}),
        lasts_s=45,
        silence_s=30,
    ),
)
