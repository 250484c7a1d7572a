"""What can befall the web nodes."""

from __future__ import annotations

from typing import Final

from datchat.drills.scenarios.scenario import Scenario
from datchat.drills.stage import Stage
from datchat.drills.targets import Ability

UNREADY_S: Final = 5.0
"""Within what a node has to notice that it hears nothing."""


async def kill(stage: Stage) -> None:
    async with stage.killed((await stage.nodes())[0]):
        await stage.hold(4)


async def pause(stage: Stage) -> None:
    async with stage.paused((await stage.nodes())[0]):
        await stage.hold(5)


async def drain(stage: Stage) -> None:
    async with stage.stopped((await stage.nodes())[0]):
        await stage.hold(2)


async def rolling_restart(stage: Stage) -> None:
    if Ability.ROLL not in stage.target.lacks:
        for kind in ("web", "redis"):
            await stage.roll(kind)
            await stage.whole()
        return
    for node in await stage.nodes():
        async with stage.stopped(node):
            await stage.hold(0.5)
        await stage.whole()


async def feed_deaf(stage: Stage) -> None:
    for node in (await stage.nodes())[:2]:
        async with stage.deafened(node):
            await stage.expect_unready(node, UNREADY_S)
            await stage.hold(3)
        await stage.whole()


async def feed_cut(stage: Stage) -> None:
    master = await stage.master()
    for _ in range(8):
        async with stage.fault("cut feeds", master):
            await stage.target.cut_feeds()
        await stage.hold(stage.rng.uniform(0.3, 1.2))


SCENARIOS: Final = (
    Scenario(
        name="web-kill",
        text="A web node is killed with -9 and comes back four seconds later. Its sockets break at once; its people "
        "reconnect to another node, each room from its cursor, and send again with the same nonces what was not "
        "acknowledged. A post that the node had stored and not yet told is found by the others within a second or so.",
        steps=kill,
    ),
    Scenario(
        name="web-pause",
        text="A web node freezes for five seconds. Its sockets stay open and say nothing; the load balancer notices "
        "that it doesn't answer its checks and cuts them after about 1.5 s. When the node wakes it tells nobody "
        "anything stale: who still stands at its door catches up from the log.",
        steps=pause,
        needs=frozenset({Ability.PAUSE}),
    ),
    Scenario(
        name="web-drain",
        text="A web node is told to end (SIGTERM): it answers 404 to readiness, says `bye` to its sockets over three "
        "seconds with a time to come back each, finishes the posts under way, and ends. People are elsewhere before "
        "they notice.",
        steps=drain,
    ),
    Scenario(
        name="rolling-restart",
        text="All web nodes are restarted one after the other, as a new version is rolled out. Everybody changes nodes "
        "two or three times; nothing is lost, doubled or out of order. Where a tool runs the cluster it does that by "
        "its own way of an update, and then the same to the Redis servers.",
        steps=rolling_restart,
    ),
    Scenario(
        name="feed-deaf",
        text="What a node should hear of the others is dropped without a word, first for one node, then for another: "
        "no connection is closed, and its posts are stored as ever. It looks healthy from everywhere else, and its "
        "people would see nothing. A node takes a second of silence for a fault, and one that doesn't hear its own "
        "canary is not ready: it says so within five seconds, gets nobody new, and meanwhile looks into the log each "
        "second, so that its people go on. When it hears again it is ready by itself.",
        steps=feed_deaf,
        needs=frozenset({Ability.DEAFEN}),
    ),
    Scenario(
        name="feed-cut",
        text="The subscriptions of all nodes are closed at the Redis master, eight times in a row: what is published "
        "meanwhile reaches nobody. Silence is never taken for calm: nodes subscribe again, read every room from where "
        "they are, and fill the gap, so that every client sees every entry all the same.",
        steps=feed_cut,
        needs=frozenset({Ability.CUT_FEEDS}),
    ),
)
