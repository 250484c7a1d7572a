"""Single faults of every kind, one after the other, as chance has it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final

from datchat.drills.scenarios import balancer, redis, sentinels, web
from datchat.drills.scenarios.scenario import Scenario
from datchat.drills.stage import Stage
from datchat.drills.targets import Ability
from datchat.drills.targets.harms import lack_of


async def pause_master(stage: Stage) -> None:
    async with stage.paused(await stage.master()):
        await stage.hold(stage.rng.uniform(0.5, redis.LONG_S))


async def cut_master_off(stage: Stage) -> None:
    async with stage.cut_off(await stage.master()):
        await stage.hold(stage.rng.uniform(0.5, redis.LONG_S))


async def kill_master(stage: Stage) -> None:
    async with stage.killed(await stage.master()):
        await stage.hold(stage.rng.uniform(0.2, redis.LONG_S))


async def switch(stage: Stage) -> None:
    await stage.switch_master()


async def slow_disk(stage: Stage) -> None:
    part = stage.rng.choice([await stage.master(), *await stage.replicas()])
    async with stage.disk_slowed(part, stage.rng.choice(redis.DISK_S)):
        await stage.hold(stage.rng.uniform(0.5, redis.LONG_S))


async def slow_link(stage: Stage) -> None:
    part = stage.rng.choice([await stage.master(), *await stage.replicas()])
    async with stage.link_slowed(part, stage.rng.choice(redis.LAG_S)):
        await stage.hold(stage.rng.uniform(0.5, redis.LONG_S))


async def deafen(stage: Stage) -> None:
    async with stage.deafened((await stage.nodes())[0]):
        await stage.hold(stage.rng.uniform(0.5, redis.LONG_S))


Step = Callable[[Stage], Awaitable[None]]

STEPS: Final[Mapping[Step, Ability | None]] = MappingProxyType(
    {
        kill_master: None,
        pause_master: Ability.PAUSE,
        switch: Ability.SWITCH,
        redis.replica_kill: None,
        redis.replica_pause: Ability.PAUSE,
        sentinels.kill: None,
        web.kill: None,
        web.pause: Ability.PAUSE,
        web.drain: None,
        balancer.kill: Ability.BREAK_BALANCER,
        cut_master_off: Ability.CUT,
        redis.partition_with_node: Ability.CUT,
        redis.split: Ability.CUT,
        sentinels.partition: Ability.CUT,
        slow_disk: Ability.SLOW_DISK,
        slow_link: Ability.SLOW_LINK,
        deafen: Ability.DEAFEN,
    }
)
"""Each with what a target must be able to do for it."""


async def mix(stage: Stage) -> None:
    choices = [step for step, ability in STEPS.items() if ability is None or lack_of(stage.target, ability) is None]
    while stage.left_s > 0:
        await stage.rng.choice(choices)(stage)
        await stage.whole()


SCENARIOS: Final = (
    Scenario(
        name="mixed",
        text="Single faults of every kind, one after the other, chosen by the seed, until the time is over; the next "
        "comes as soon as the cluster is whole again. With `--duration` it goes on for hours.",
        steps=mix,
        lasts_s=60,
        silence_s=30,
    ),
)
