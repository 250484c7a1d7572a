"""What is done to the parts of a local cluster besides ending and cutting them off, each seen where it should tell."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

import httpx
import pytest

from datchat.cluster import probes
from datchat.drills.commands import NODES
from datchat.drills.targets import TargetError, clocks
from datchat.drills.targets.harms import HARMS
from datchat.drills.targets.local import LocalCluster, fresh
from support.clusters import needs_root, needs_servers

DELAY_S = 0.3

pytestmark = [needs_servers, needs_root, pytest.mark.timeout(180)]


async def took_s(ask: Callable[[], Awaitable[object]]) -> float:
    """How long an answer takes; one that does not come in time has taken long."""
    began = time.monotonic()
    with contextlib.suppress(probes.Silent, TargetError):
        await ask()
    return time.monotonic() - began


async def is_fast(ask: Callable[[], Awaitable[object]]) -> None:
    """Return when answers come fast, as they do on a machine that is not busy all the time."""
    async with asyncio.timeout(30):
        while await took_s(ask) >= DELAY_S:
            await asyncio.sleep(0.05)


async def test_harms_are_felt_and_end() -> None:
    """A slow link, a slow disk, a clock an hour ahead, a deaf node: while they last, and not after."""
    with clocks.movable(True) as variables:
        async with fresh({**NODES, **variables}) as cluster:
            assert not HARMS & cluster.lacks.keys()
            await a_slow_link(cluster)
            await a_slow_disk(cluster)
            await another_time_of_day(cluster)
            await a_deaf_node(cluster)


async def a_slow_link(cluster: LocalCluster) -> None:
    replica = cluster._plan.part("redisslave")

    def ask() -> Awaitable[object]:
        return probes.ask_redis(replica, cluster._within("redismaster"), "PING")

    await is_fast(ask)
    async with cluster.harms.slow_link("redisslave", DELAY_S / 2):
        # It says two things: that it takes the connection, and its answer.
        assert await took_s(ask) >= DELAY_S
    await is_fast(ask)


async def a_slow_disk(cluster: LocalCluster) -> None:
    def write() -> Awaitable[object]:
        return cluster._ask(cluster._plan.part("redismaster"), "PEXPIRE", "datchat:beat", "100000000")

    await is_fast(write)
    async with cluster.harms.slow_disk("redismaster", DELAY_S):
        assert await took_s(write) >= DELAY_S
    await is_fast(write)


async def another_time_of_day(cluster: LocalCluster) -> None:
    async def off_by_s() -> float:
        said = await cluster._ask(cluster._plan.part("redisslave2"), "TIME")
        return abs(int(said[0]) - time.time())

    async with cluster.harms.jump_clock("redisslave2", 3600):
        assert 3590 < await off_by_s() < 3610
    assert await off_by_s() < 10


async def a_deaf_node(cluster: LocalCluster) -> None:
    async with httpx.AsyncClient(base_url=await cluster.door("web1"), timeout=10, trust_env=False) as http:

        async def says(status: int) -> None:
            async with asyncio.timeout(15):
                while (await http.get("/readyz")).status_code != status:
                    await asyncio.sleep(0.05)

        async with cluster.harms.deafen("web1"):
            await says(503)
        await says(200)
