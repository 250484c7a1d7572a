"""
What is acknowledged is kept, once and in order, whatever single part fails: real servers and sentinels, two nodes that
write and listen, and the log compared with what they saw.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from datchat.backends.redis import RedisBackend, open_redis
from datchat.chat.model import Room, RoomId
from support.eventually import eventually
from support.load import Load, under_load
from support.redis_servers import HOST, NAME, RedisCluster, redis_cluster

pytestmark = pytest.mark.timeout(60)

ROOMS = [RoomId("lobby"), RoomId("garden")]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[RedisCluster]:
    """A cluster of this test's own."""
    with redis_cluster(tmp_path / "cluster") as cluster:
        yield cluster


@asynccontextmanager
async def nodes(url: str, count: int = 2) -> AsyncIterator[list[RedisBackend]]:
    """So many nodes' backends on one store."""
    async with AsyncExitStack() as stack:
        opened = []
        for _ in range(count):
            backend = await open_redis(url)
            stack.push_async_callback(backend.close)
            opened.append(backend)
        yield opened


@asynccontextmanager
async def loaded(cluster: RedisCluster) -> AsyncIterator[Load]:
    """Two nodes under load; at the end the log is compared with what they saw."""
    async with nodes(cluster.url) as both:
        await both[0].rooms.create(Room(id=ROOMS[1], title="Garden"))
        async with under_load(both, rooms=ROOMS) as load:
            await eventually(lambda: len(load.times) > 50)
            yield load
        faults = await load.judge(both[0].broker)
        assert faults == []
        assert [node.counts()["acknowledged_missing_total"] for node in both] == [0, 0]


async def goes_on(load: Load, more: int = 100, timeout_s: float = 12) -> None:
    """Return once so many further posts are acknowledged."""
    before = len(load.times)
    await eventually(lambda: len(load.times) >= before + more, timeout_s)


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_killed_master_is_replaced(cluster: RedisCluster) -> None:
    """Posts are acknowledged again within seconds of a kill -9 of the master, and nothing is lost."""
    async with loaded(cluster) as load:
        killed_at = now()
        cluster.servers[0].kill()
        await eventually(lambda: cluster.master is not cluster.servers[0], 10)
        await goes_on(load)
    print("resumed after", load.resumed_after_s(killed_at))
    assert load.resumed_after_s(killed_at) < 10


async def test_a_killed_master_is_replaced_faster_when_asked_for(tmp_path: Path) -> None:
    """With ``failover=hasten`` refused connections are enough, long before a sentinel takes the master for down."""
    with redis_cluster(tmp_path / "cluster", down_after_ms=30_000) as cluster:
        cluster.options = "?failover=hasten"
        async with loaded(cluster) as load:
            killed_at = now()
            cluster.servers[0].kill()
            await eventually(lambda: cluster.master is not cluster.servers[0], 15)
            await goes_on(load)
    print("resumed after", load.resumed_after_s(killed_at))
    assert load.resumed_after_s(killed_at) < 15


@pytest.mark.parametrize("pause_s", [1.5, 6.0])
async def test_a_paused_master_takes_nothing_back(cluster: RedisCluster, pause_s: float) -> None:
    """A master that hangs and comes back, before or after its replacement, loses nothing that was acknowledged."""
    async with loaded(cluster) as load:
        paused_at = now()
        cluster.servers[0].pause()
        await asyncio.sleep(pause_s)
        cluster.servers[0].unpause()
        await goes_on(load)
        await eventually(lambda: cluster.attached() == 2, 15)
        await goes_on(load)
    print("resumed after", load.resumed_after_s(paused_at), "silence", load.longest_silence_s(paused_at - 1))


async def test_a_killed_replica_holds_posts_up_briefly(cluster: RedisCluster) -> None:
    """Until the sentinels hold it down nobody knows that it can't be made master; then posts go on without it."""
    async with loaded(cluster) as load:
        killed_at = now()
        cluster.servers[2].kill()
        await eventually(lambda: load.longest_silence_s(killed_at - 0.1) > 0.5)
        await goes_on(load)
        assert {load.acknowledged[nonce].copies for nonce in list(load.acknowledged)[-20:]} == {2}
        cluster.servers[2].start("--replicaof", f"{HOST} {cluster.servers[0].port}")
        await eventually(lambda: list(load.acknowledged.values())[-1].copies == 3, 15)
    print("resumed after", load.resumed_after_s(killed_at))
    assert load.resumed_after_s(killed_at) < 8


async def test_lost_scripts_are_loaded_again(cluster: RedisCluster) -> None:
    """SCRIPT FLUSH under load is felt by nobody."""
    async with loaded(cluster) as load:
        for _ in range(5):
            cluster.servers[0].ask("SCRIPT", "FLUSH")
            await goes_on(load, 20)
        assert load.refusals == []


async def test_an_ordered_failover_loses_nothing(cluster: RedisCluster) -> None:
    """SENTINEL FAILOVER, as for a rolling restart, while people write."""
    async with loaded(cluster) as load:
        ordered_at = now()
        assert cluster.sentinels[0].ask("SENTINEL", "FAILOVER", NAME) == "OK"
        await eventually(lambda: cluster.master is not cluster.servers[0], 10)
        await eventually(lambda: cluster.attached() == 2, 15)
        await goes_on(load)
    print("resumed after", load.resumed_after_s(ordered_at))


async def test_all_servers_killed_and_started_again(cluster: RedisCluster) -> None:
    """What was acknowledged is on the disks: a restart of everything brings it back."""
    async with loaded(cluster) as load:
        for server in cluster.servers:
            server.kill()
        first, *others = cluster.servers
        first.start()
        for replica in others:
            replica.start("--replicaof", f"{HOST} {first.port}")
        await goes_on(load, timeout_s=20)


async def test_the_last_server_is_told_to_be_the_last(cluster: RedisCluster) -> None:
    """With both replicas held down posts are stored on one server, and the state says so until one is back."""
    async with nodes(cluster.url, 1) as (node,):
        async with under_load([node]) as load:
            await eventually(lambda: len(load.times) > 50)
            assert node.broker.state().state == "ok"
            assert node.broker.state().copies == 3
            for server in cluster.servers[1:]:
                server.kill()
            await eventually(lambda: node.broker.state().state == "degraded", 8)
            await goes_on(load)
            assert list(load.acknowledged.values())[-1].copies == 1
            cluster.servers[1].start("--replicaof", f"{HOST} {cluster.servers[0].port}")
            await eventually(lambda: node.broker.state().state == "ok", 12)
        assert await load.judge(node.broker) == []


async def test_nothing_is_stored_on_one_server_when_it_is_set_so(cluster: RedisCluster) -> None:
    """With ``degraded=refuse`` posts wait for a second server rather than being stored on the last one."""
    async with nodes(cluster.url + "?degraded=refuse", 1) as (node,), under_load([node]) as load:
        await eventually(lambda: len(load.times) > 50)
        for server in cluster.servers[1:]:
            server.kill()
        await eventually(lambda: node.broker.state().state == "failing_over", 8)
        count = len(load.times)
        await eventually(lambda: any("nothing on one server" in reason for reason in load.refusals), 15)
        assert len(load.times) == count
        cluster.servers[1].start("--replicaof", f"{HOST} {cluster.servers[0].port}")
        await goes_on(load, 20, timeout_s=15)
