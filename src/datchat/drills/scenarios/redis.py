"""What can befall the Redis servers."""

from __future__ import annotations

from typing import Final

from datchat.drills.scenarios.scenario import Scenario
from datchat.drills.stage import Stage
from datchat.drills.targets import Ability

SHORT_S: Final = (1.0, 2.8)
"""A pause around the time that Sentinel takes to notice (1.5 s): the master may or may not be replaced."""
PAUSES_S: Final = ((1.0, 1.9), (2.0, 2.4), (2.4, 2.8))
"""Pauses that end before, while and after the sentinels agree: in the later two a weaker rule loses posts mostly."""
LONG_S: Final = 6.0
"""A pause in which the master is surely replaced."""
DISK_S: Final = (0.02, 0.2, 0.5)
"""By how much a disk is late. A batch and its proof have 0.7 s."""
LAG_S: Final = (0.05, 0.2, 0.4, 0.8)
"""By how much a link is late. Replicas have 0.3 s to confirm, and 0.3 more."""


async def kill(stage: Stage) -> None:
    async with stage.killed(await stage.master()):
        await stage.hold(LONG_S)


async def pause_short(stage: Stage) -> None:
    for between in PAUSES_S:
        async with stage.paused(await stage.master()):
            await stage.hold(stage.rng.uniform(*between))
        await stage.hold(2)
        await stage.whole()


async def pause_long(stage: Stage) -> None:
    async with stage.paused(await stage.master()):
        await stage.hold(LONG_S)


async def partition(stage: Stage) -> None:
    for seconds in (stage.rng.uniform(*SHORT_S), LONG_S):
        async with stage.cut_off(await stage.master()):
            await stage.hold(seconds)
        await stage.whole()


async def partition_with_node(stage: Stage) -> None:
    async with stage.cut_off(await stage.master(), (await stage.nodes())[0]):
        await stage.hold(LONG_S)


async def split(stage: Stage) -> None:
    parts = (await stage.master(), (await stage.replicas())[0], (await stage.nodes())[0], (await stage.sentinels())[0])
    async with stage.cut_off(*parts):
        await stage.hold(8)


async def restart_all(stage: Stage) -> None:
    async with stage.killed(await stage.master(), *await stage.replicas()):
        await stage.hold(1)


async def slow_disk(stage: Stage) -> None:
    for part in ((await stage.replicas())[0], await stage.master()):
        for delay_s in DISK_S:
            async with stage.disk_slowed(part, delay_s):
                await stage.hold(3)
        await stage.whole()


async def lag(stage: Stage) -> None:
    replica = (await stage.replicas())[0]
    for delay_s in LAG_S:
        async with stage.link_slowed(replica, delay_s):
            await stage.hold(3)


async def replica_stutter(stage: Stage) -> None:
    replica = (await stage.replicas())[0]
    for _ in range(12):
        async with stage.paused(replica):
            await stage.hold(stage.rng.uniform(0.2, 0.6))
        await stage.hold(0.15)


async def manual_failover(stage: Stage) -> None:
    for _ in range(2):
        await stage.switch_master()
        await stage.whole()


async def rolling(stage: Stage) -> None:
    for replica in await stage.replicas():
        async with stage.stopped(replica):
            await stage.hold(1)
        await stage.whole()
    old = await stage.master()
    await stage.switch_master()
    await stage.whole()
    async with stage.stopped(old):
        await stage.hold(1)


async def replica_kill(stage: Stage) -> None:
    async with stage.killed((await stage.replicas())[0]):
        await stage.hold(4)


async def replica_pause(stage: Stage) -> None:
    async with stage.paused((await stage.replicas())[0]):
        await stage.hold(4)


SCENARIOS: Final = (
    Scenario(
        name="redis-kill",
        text="The Redis master is killed with -9 and comes back six seconds later. Posts stop for about three seconds: "
        "the sentinels notice after 1.5 s, agree, and make a replica master; nodes find it, send their batch again "
        "with the same nonces, and go on. The old master asks the sentinels at its start and comes back as a replica. "
        "Whatever was acknowledged is on every server that could have been chosen, so nothing is lost, and nothing is "
        "doubled although every post under way was sent twice.",
        steps=kill,
    ),
    Scenario(
        name="redis-pause-short",
        text="The master freezes three times for 1 to 2.8 s, around the time in which the sentinels notice. It wakes "
        "as master, or as one that was deposed and doesn't know it yet: then it takes writes that will be thrown away, "
        "and a replica that was not yet told otherwise even confirms them. This is where `WAIT 1` loses posts. Here "
        "a node acknowledges only what every promotable replica holds, or what the sentinels vouch for afterwards.",
        steps=pause_short,
        needs=frozenset({Ability.PAUSE}),
    ),
    Scenario(
        name="redis-pause-long",
        text="The master freezes for six seconds and is replaced meanwhile. Its connections stay open and silent, "
        "which is worse than a crash: whoever waits for them without a deadline waits for ever. Nodes give up a batch "
        "after 0.7 s and their subscription after 1 s of silence, look for the master and go on. When the old one "
        "wakes it still believes in itself for a moment; nobody does.",
        steps=pause_long,
        needs=frozenset({Ability.PAUSE}),
    ),
    Scenario(
        name="redis-partition",
        text="The master is cut off from everybody, first for 1 to 2.8 s, then for six. It goes on as master of "
        "nobody. Nodes get no answer, sentinels choose another, and after the cut it becomes a replica and throws "
        "away what only it had: nothing that anybody was told is stored.",
        steps=partition,
        needs=frozenset({Ability.CUT}),
        lasts_s=20,
    ),
    Scenario(
        name="redis-partition-with-node",
        text="The master and one web node are cut off together from all others. The people beside that node still "
        "reach it, and it reaches the old master, which still takes writes. None of their posts may be acknowledged: "
        "no replica has them. They wait, and are stored by the new master once the cut is healed, each once.",
        steps=partition_with_node,
        needs=frozenset({Ability.CUT}),
    ),
    Scenario(
        name="redis-split",
        text="The master, one replica, one node and one sentinel are cut off from the rest. On that side a replica "
        "confirms every write, so `WAIT 1` is content, and everything there is lost when the cut heals. Here the node "
        "sees that the other replica is missing, asks the sentinels whether it is out of the running, and gets no "
        "majority. Its people wait; those on the other side go on with a new master.",
        steps=split,
        needs=frozenset({Ability.CUT}),
        lasts_s=18,
        silence_s=25,
    ),
    Scenario(
        name="redis-restart-all",
        text="All Redis servers are killed with -9 at once and started again a second later. Nothing can be posted "
        "meanwhile, and clients keep what they have. Each server asks the sentinels who is master; the one they name "
        "waits five seconds for a failover before it goes on as master from its own file, to which every write was "
        "forced before it was confirmed. What was acknowledged is there.",
        steps=restart_all,
        lasts_s=20,
        silence_s=45,
    ),
    Scenario(
        name="redis-slow-disk",
        text="Whenever a replica, and then the master, forces something to its disk, that takes 20, 200 and 500 ms "
        "longer; the server stands still meanwhile, as in front of a disk that hangs. Every write is forced before it "
        "is confirmed, so posts become as slow as the disk, in larger batches; what isn't confirmed in time is sent "
        "again with the same nonces. A master that hardly answers any more may be replaced.",
        steps=slow_disk,
        needs=frozenset({Ability.SLOW_DISK}),
        lasts_s=25,
    ),
    Scenario(
        name="redis-lag",
        text="All that a replica sends arrives late: by 50 ms, by 200, 400, 800. A post is acknowledged when that "
        "replica has it too, since it could be made master at any moment, so posts become slower. A replica has 0.3 s "
        "to confirm, and 0.3 more when it hasn't: of one that is farther away nobody knows what it has, and it isn't "
        "down either, so nothing is acknowledged until it is nearer.",
        steps=lag,
        needs=frozenset({Ability.SLOW_LINK}),
    ),
    Scenario(
        name="replica-stutter",
        text="One replica gets to run only part of the time: frozen for 0.2 to 0.6 s and awake for 0.15, again and "
        "again. A post is acknowledged when that replica has it too, so posts become slower and none is lost.",
        steps=replica_stutter,
        needs=frozenset({Ability.PAUSE}),
    ),
    Scenario(
        name="redis-manual-failover",
        text="An operator asks for another master with `SENTINEL FAILOVER`, twice. Sentinel does not ask whether the "
        "replica that it promotes has everything: with plain Redis every such switch loses what was written in that "
        "second. Here what is acknowledged was on it already. Posts stop for about 1.3 s.",
        steps=manual_failover,
        needs=frozenset({Ability.SWITCH}),
    ),
    Scenario(
        name="redis-rolling",
        text="All Redis servers are restarted one after the other, as for an upgrade: the replicas first, then the "
        "master after another one was made master in its place. People notice two short silences at most.",
        steps=rolling,
        needs=frozenset({Ability.SWITCH}),
    ),
    Scenario(
        name="replica-kill",
        text="A replica is killed with -9 and comes back four seconds later. As long as it could be made master, "
        "nothing may be acknowledged without it: posts wait for about two seconds, until two sentinels hold it down. "
        "Then they go on with one copy fewer, and each acknowledgement says so.",
        steps=replica_kill,
    ),
    Scenario(
        name="replica-pause",
        text="A replica freezes for four seconds: it is attached, and confirms nothing. As above, but nobody is told "
        "by a closed connection; it takes the sentinels' word that it is down.",
        steps=replica_pause,
        needs=frozenset({Ability.PAUSE}),
    ),
)
