"""The stack on a real swarm: deployed, rolled, its parts killed, a host crashed, and each time judged by a drill."""

from __future__ import annotations

import json

import pytest

from support.testbeds import needs
from swarm.conftest import NODES, Swarm, stack_files

pytestmark = [needs("swarm"), pytest.mark.timeout(900)]


def test_a_missing_secret_is_named(refusal: str) -> None:
    """Without its secrets the stack is not deployed, and the sentence says which is missing."""
    assert "secret not found: datchat_" in refusal


def test_everything_runs_where_it_should(swarm: Swarm) -> None:
    """Servers and sentinels each on their host, a load balancer on every one, nodes spread."""
    listed = swarm.docker(
        "stack", "ps", "datchat", "--filter", "desired-state=running", "--format", "{{.Name}} {{.Node}}"
    )
    where = dict(line.split() for line in listed.splitlines())

    assert where["datchat_redismaster.1"] == where["datchat_redissentinel.1"] == "node1"
    assert where["datchat_redisslave.1"] == where["datchat_redissentinel2.1"] == "node2"
    assert where["datchat_redisslave2.1"] == where["datchat_redissentinel3.1"] == "node3"
    assert sum(name.startswith("datchat_haproxy") for name in where) == len(NODES)
    assert sum(name.startswith("datchat_web") for name in where) == 3


def test_containers_are_closed(swarm: Swarm) -> None:
    """Each has a read-only root, no capabilities, another user than root, and no secret in what the engine shows."""
    for node in NODES:
        for container in swarm.docker("ps", "--quiet", node=node).split():
            (said,) = json.loads(swarm.docker("inspect", container, node=node))
            assert said["HostConfig"]["ReadonlyRootfs"], said["Name"]
            assert said["HostConfig"]["CapDrop"] == ["ALL"], said["Name"]
            assert said["Config"]["User"] not in ("", "0", "root"), said["Name"]
            told = [text for text in said["Config"]["Env"] if "PASSWORD" in text or "SECRET" in text]
            assert all(text.partition("=")[2].startswith(("/run/secrets/", "cheap")) for text in told), told


def test_no_secret_is_in_a_file() -> None:
    """The stack takes its secrets from the swarm."""
    for file in stack_files():
        assert "external: true" in file.read_text() or "secrets" not in file.read_text()


@pytest.mark.parametrize("scenario", ["redis-kill", "web-kill", "rolling-restart", "node-crash"])
def test_drills(swarm: Swarm, scenario: str) -> None:
    """Parts killed, everything updated, a host crashed, while people talk: valid."""
    result = swarm.drill(scenario, "--engines", swarm.engines)

    assert result["acknowledged"] > 0
    assert result["lost"] == 0
