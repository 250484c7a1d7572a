"""What a manager of a swarm lists, read as parts."""

from __future__ import annotations

from typing import Any

import pytest

from datchat.drills.targets.swarm import engine_places
from datchat.drills.targets.tasks import missing, nodes, services, tasks
from datchat.errors import ConfigurationError

NODES = nodes(
    {
        "ID": f"id{number}",
        "Description": {"Hostname": f"node{number}"},
        "Status": {"State": "ready" if number < 3 else "down", "Addr": "0.0.0.0"},
        "ManagerStatus": {"Addr": f"192.0.2.{number}:2377"},
    }
    for number in (1, 2, 3)
)


def service(name: str, replicas: int | None = 1, **more: Any) -> dict[str, Any]:
    mode = {"Global": {}} if replicas is None else {"Replicated": {"Replicas": replicas}}
    ports = [{"PublishedPort": 8081}] if name == "haproxy" else None
    return {"ID": name, "Spec": {"Name": f"chat_{name}", "Mode": mode, "EndpointSpec": {"Ports": ports}}, **more}


def task(name: str, state: str = "running", slot: int | None = 1, at: str = "1", node: str = "id1") -> dict[str, Any]:
    return {
        "ServiceID": name,
        "CreatedAt": at,
        "DesiredState": "running",
        "NodeID": node,
        "Status": {"State": state, "ContainerStatus": {"ContainerID": f"{name}{slot or node}{at}"}},
        **({"Slot": slot} if slot else {}),
    }


KNOWN = services([service("redismaster"), service("web", 2), service("haproxy", None), service("visualizer")], "chat")


def test_services_are_known_by_their_names() -> None:
    """The stack's name goes, what is no part of Dat Chat is left out, and the published port is read."""
    assert [(known.name, known.kind, known.replicas, known.published) for known in KNOWN] == [
        ("redismaster", "redis", 1, None),
        ("web", "web", 2, None),
        ("haproxy", "haproxy", None, 8081),
    ]


def test_hosts_have_the_address_that_managers_use() -> None:
    """The address by which managers know each other counts, where a node's own is none."""
    assert [(host.name, host.address, host.ready) for host in NODES.values()] == [
        ("node1", "192.0.2.1", True),
        ("node2", "192.0.2.2", True),
        ("node3", "192.0.2.3", False),
    ]


def test_parts_are_named_by_slot_or_host() -> None:
    """A server has its service's name, a node its number, a load balancer its host's."""
    listed = [task("redismaster"), task("web", slot=2), task("haproxy", slot=None, node="id2")]

    assert [part.name for part in tasks(listed, KNOWN, NODES)] == ["haproxy-node2", "redismaster", "web2"]


def test_the_newest_task_of_a_place_counts() -> None:
    """What was there before is history, and so is what is meant to be gone."""
    gone = {**task("redismaster", at="9"), "DesiredState": "shutdown"}
    listed = [task("redismaster", "failed", at="1"), task("redismaster", "starting", at="2"), gone]

    (part,) = tasks(listed, KNOWN, NODES)

    assert (part.container, part.state) == ("redismaster12", "stopped")


def test_what_is_missing_is_said() -> None:
    """Too few tasks, hosts without a load balancer, and an update that goes on."""
    known = services([service("web", 2, UpdateStatus={"State": "updating"}), service("haproxy", None)], "chat")
    found = tasks([task("web", slot=1), task("web", "pending", slot=2), task("haproxy", slot=None)], known, NODES)

    assert list(missing(found, known, NODES)) == [
        "web: 1 of 2 tasks run",
        "web: its update is updating",
        "haproxy: 1 of 3 tasks run",
    ]


def test_an_update_that_is_done_is_none() -> None:
    """Whether it went on to the end, or back."""
    for state in ("completed", "rollback_completed"):
        known = services([service("web", 1, UpdateStatus={"State": state})], "chat")
        assert list(missing(tasks([task("web")], known, NODES), known, NODES)) == []


def test_engines_by_host() -> None:
    """The hosts' engines, and the one of the environment where none are named."""
    assert engine_places("node1=tcp://a:2376, node2=unix:///b", {}) == {"node1": "tcp://a:2376", "node2": "unix:///b"}
    assert engine_places(None, {"DOCKER_HOST": "tcp://c:2375"}) == {"": "tcp://c:2375"}
    with pytest.raises(ConfigurationError, match="'node1' is not HOST=PLACE"):
        engine_places("node1", {})
