"""What the Kubernetes target makes of a cluster, and does to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from datchat.drills.targets import Ability, TargetError, kubernetes, orchestrated
from datchat.drills.targets.kubernetes import KubernetesCluster
from datchat.drills.targets.pods import PORTS, Ways
from unit.drills.targets.fake_kubernetes import NAMESPACE, FakeKubernetes, pod, workload

WEBS = (pod("web-a", "web", "node1"), pod("web-b", "web", "node2"))


@asynccontextmanager
async def target(fake: FakeKubernetes, crashes: Mapping[str, str] | None = None) -> AsyncIterator[KubernetesCluster]:
    ways = Ways(NAMESPACE, straight=True)
    told = crashes or {}
    cluster = KubernetesCluster(fake.client(), NAMESPACE, ways, "word", told.get("crash"), told.get("restore"))
    try:
        yield cluster
    finally:
        await cluster.close()


async def test_parts_are_pods() -> None:
    """Each with its kind, its state and its host; what is none of the chat's parts is left out."""
    fake = FakeKubernetes(*WEBS, pod("sentinel-0", "sentinel"), pod("drill-x", "drill"))
    async with target(fake) as cluster:
        parts = await cluster.parts()

    assert [(part.name, part.kind, part.state, part.host) for part in parts] == [
        ("sentinel-0", "sentinel", "running", "node1"),
        ("web-a", "web", "running", "node1"),
        ("web-b", "web", "running", "node2"),
    ]


async def test_kill_takes_no_time_and_stop_takes_its_own() -> None:
    """Deleted with no grace, or with that of the pod, until it is gone."""
    fake = FakeKubernetes(*WEBS)
    async with target(fake) as cluster:
        await cluster.kill("web-a")
        await cluster.stop("web-b")
        with pytest.raises(TargetError, match="there is no pod web-b"):
            await cluster.stop("web-b")

    assert fake.done == [("delete", "web-a", "0"), ("delete", "web-b", "its own")]


async def test_a_roll_is_done_when_all_are_of_the_new_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The template is stamped as kubectl does it, and every count has to be right again."""
    monkeypatch.setattr(orchestrated, "LOOK_S", 0.01)
    fake = FakeKubernetes(*WEBS)
    fake.workloads["deployments/web"]["status"]["updatedReplicas"] = 1
    async with target(fake) as cluster:
        rolling = asyncio.create_task(cluster.roll("web"))
        while not fake.done:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        assert not rolling.done()
        fake.workloads["deployments/web"] = workload(2)
        async with asyncio.timeout(5):
            await rolling

    assert fake.done == [("patch", "deployments/web", "application/merge-patch+json")]


async def test_a_roll_that_does_not_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """After five minutes the drill can't be judged."""
    monkeypatch.setattr(orchestrated, "LOOK_S", 0.01)
    monkeypatch.setattr(kubernetes, "ROLL_S", 0.05)
    fake = FakeKubernetes(*WEBS)
    fake.workloads["deployments/web"]["status"]["readyReplicas"] = 1
    async with target(fake) as cluster:
        with pytest.raises(TargetError, match="web was not rolled"):
            await cluster.roll("web")


@pytest.mark.parametrize(
    ("workload_of", "change", "trouble"),
    [
        ("deployments/web", {"readyReplicas": 1}, "web: readyReplicas are 1, not 2"),
        ("deployments/web", {"replicas": 3}, "web: replicas are 3, not 2"),
        ("deployments/web", {"observedGeneration": 0}, "web: its change was not seen yet"),
        ("statefulsets/redis", {"updatedReplicas": 1}, "redis: updatedReplicas are 1, not 0"),
    ],
)
async def test_what_is_not_as_meant_is_trouble(workload_of: str, change: dict[str, int], trouble: str) -> None:
    """A drill waits until it is."""
    fake = FakeKubernetes()
    fake.workloads[workload_of]["status"] |= change
    async with target(fake) as cluster:
        assert await cluster.trouble() == trouble


async def test_a_server_that_does_not_run_is_trouble() -> None:
    """Also when its workload was not told yet."""
    waits = {"podIP": "", "containerStatuses": [{"state": {"waiting": {"reason": "CreateContainerConfigError"}}}]}
    fake = FakeKubernetes(pod("redis-0", "redis", status=waits))
    async with target(fake) as cluster:
        assert await cluster.trouble() == "redis-0 is failed"


async def test_a_door_follows_to_the_one_that_came_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """The URL stays; it leads to the pod that has no door yet, and nowhere while there is none."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello\n")
        await writer.drain()
        writer.close()

    async def heard(url: str) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        try:
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    monkeypatch.setitem(PORTS, "web", server.sockets[0].getsockname()[1])
    fake = FakeKubernetes(*WEBS)
    async with server, target(fake) as cluster:
        door, other = await cluster.door("web-a"), await cluster.door("web-b")
        assert door != other
        assert await heard(door) == b"hello\n"
        del fake.pods["web-a"]
        assert await heard(door) == b""
        fake.pods["web-c"] = pod("web-c", "web")
        assert await heard(door) == b"hello\n"
        assert await cluster.door("web-a") == door


async def test_hosts_crash_by_the_commands_that_are_given(tmp_path: Path) -> None:
    """With the host's name in them; every one that crashed is had back, once."""
    done = tmp_path / "done"
    commands = {"crash": f"echo crash {{host}} >>{done}", "restore": f"echo restore {{host}} >>{done}"}
    async with target(FakeKubernetes(*WEBS), commands) as cluster:
        assert Ability.CRASH not in cluster.lacks
        await cluster.crash_host_of("web-b")
        await cluster.restore_hosts()
        await cluster.restore_hosts()

    assert done.read_text() == "crash node2\nrestore node2\n"


async def test_a_command_that_fails_is_told() -> None:
    """With the last that it said."""
    async with target(FakeKubernetes(*WEBS), {"crash": "echo no such host; exit 3", "restore": "true"}) as cluster:
        with pytest.raises(TargetError, match="failed with 3: no such host"):
            await cluster.crash_host_of("web-a")


async def test_what_it_lacks_it_says() -> None:
    """What Kubernetes can't do, and what it could if it were told how."""
    async with target(FakeKubernetes(*WEBS)) as cluster:
        assert cluster.lacks[Ability.CRASH] == "give --crash-command and --restore-command"
        assert Ability.PAUSE in cluster.lacks
        assert cluster.lacks[Ability.CUT] == "Kubernetes has no command for that"
        assert Ability.ROLL not in cluster.lacks
        with pytest.raises(TargetError, match="web-a: a pod can't be frozen"):
            await cluster.pause("web-a")
        with pytest.raises(TargetError, match="web-a: Kubernetes has no command for that"):
            await cluster.partition("web-a")
        with pytest.raises(TargetError, match="web-a: give --crash-command"):
            await cluster.crash_host_of("web-a")


async def test_logs_bear_times_and_are_empty_when_gone() -> None:
    """A deleted pod's log goes with it: that is no failure of the drill."""
    fake = FakeKubernetes(*WEBS)
    async with target(fake) as cluster:
        assert (await cluster.log("web-a")).startswith("2026-01-01T00:00:00Z ")
        fake.refused[f"/api/v1/namespaces/{NAMESPACE}/pods/web-b/log"] = 404
        assert await cluster.log("web-b") == ""


async def test_a_refusal_is_told_in_the_servers_words() -> None:
    """With what it says, not with a status alone."""
    fake = FakeKubernetes(*WEBS)
    fake.refused[f"/api/v1/namespaces/{NAMESPACE}/pods"] = 403
    async with target(fake) as cluster:
        with pytest.raises(TargetError, match="Kubernetes says: you may not"):
            await cluster.parts()


async def test_a_host_is_drained_as_kubectl_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets no new pods, and loses the chat's, but for what a disruption budget keeps; then it is used again."""
    monkeypatch.setattr(orchestrated, "LOOK_S", 0.01)
    monkeypatch.setattr(kubernetes, "KEPT_S", 0.05)
    fake = FakeKubernetes(*WEBS, pod("redis-0", "redis", "node1"), pod("redis-1", "redis", "node1"))
    fake.kept.add("redis-1")
    async with target(fake) as cluster:
        await cluster.drain_host_of("redis-0")
        await cluster.readmit_hosts()

    (first, *evicted, last) = fake.done
    assert first == ("patch", "/api/v1/nodes/node1", '{"spec":{"unschedulable":true}}')
    assert sorted(evicted) == [("evict", "redis-0"), ("evict", "web-a")]
    assert last == ("patch", "/api/v1/nodes/node1", '{"spec":{"unschedulable":false}}')
    assert set(fake.pods) == {"web-b", "redis-1"}


async def test_a_drain_that_is_refused_is_told() -> None:
    """Other than by a budget: whoever drills may not, say."""
    fake = FakeKubernetes(*WEBS)
    fake.refused[f"/api/v1/namespaces/{NAMESPACE}/pods/web-a/eviction"] = 403
    async with target(fake) as cluster:
        with pytest.raises(TargetError, match="you may not"):
            await cluster.drain_host_of("web-a")


async def test_who_may_not_change_nodes_drains_none() -> None:
    """As the Job in the cluster: it is said beforehand."""
    async with target(FakeKubernetes(*WEBS)) as cluster:
        assert cluster.lacks[Ability.DRAIN] == "whoever drills may not change nodes"
