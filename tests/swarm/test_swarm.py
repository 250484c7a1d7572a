"""The stack on a real swarm: deployed, rolled, its parts killed, a host crashed, and each time judged by a drill."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.deployments import ROOT
from support.drilled import drilled, needs_crashes
from support.swarm import docker, engines, hosts, needs_swarm

pytestmark = [needs_swarm, pytest.mark.timeout(900)]
STACKS = sorted((ROOT / "deploy" / "swarm").glob("*.yaml"))


def test_a_missing_secret_is_named(refusal: str) -> None:
    """Without its secrets the stack is not deployed, and the sentence says which is missing."""
    assert "secret not found: datchat_" in refusal


def test_everything_runs_where_it_should(running: str) -> None:
    """Servers and sentinels each on their host, a load balancer on every one, nodes spread."""
    listed = docker("stack", "ps", "datchat", "--filter", "desired-state=running", "--format", "{{.Name}} {{.Node}}")
    where = dict(line.split() for line in listed.splitlines())
    first, second, third = hosts()

    assert where["datchat_redismaster.1"] == where["datchat_redissentinel.1"] == first
    assert where["datchat_redisslave.1"] == where["datchat_redissentinel2.1"] == second
    assert where["datchat_redisslave2.1"] == where["datchat_redissentinel3.1"] == third
    assert sum(name.startswith("datchat_haproxy") for name in where) == 3
    assert sum(name.startswith("datchat_web") for name in where) == 3


@pytest.mark.skipif(not engines(), reason="DATCHAT_ENGINES doesn't say where the hosts' engines are")
def test_containers_are_closed(running: str) -> None:
    """Each has a read-only root, no capabilities, another user than root, and no secret in what the engine shows."""
    for host in engines():
        numbers = docker("ps", "--quiet", "--filter", "label=com.docker.stack.namespace=datchat", host=host).split()
        assert numbers
        for said in json.loads(docker("inspect", *numbers, host=host)):
            assert said["HostConfig"]["ReadonlyRootfs"], said["Name"]
            assert said["HostConfig"]["CapDrop"] == ["ALL"], said["Name"]
            assert said["Config"]["User"] not in ("", "0", "root"), said["Name"]
            told = [text for text in said["Config"]["Env"] if "PASSWORD" in text or "SECRET" in text]
            assert all(text.partition("=")[2].startswith(("/run/secrets/", "cheap")) for text in told), told


def test_no_secret_is_in_a_file() -> None:
    """The stack takes its secrets from the swarm."""
    for file in STACKS:
        assert "external: true" in file.read_text() or "secrets" not in file.read_text()


@pytest.mark.parametrize("scenario", ["redis-kill", "web-kill", "rolling-restart", "node-drain"])
def test_parts_are_killed_and_rolled(scenario: str, running: str, tmp_path: Path) -> None:
    """Servers and nodes, and a host is drained, while people talk: nothing is lost, doubled or out of order."""
    drilled("swarm", scenario, tmp_path)


@needs_crashes
def test_a_host_crashes(running: str, tmp_path: Path) -> None:
    """The one with the master, and all else that is on it: people go on elsewhere, and nothing is lost."""
    drilled("swarm", "node-crash", tmp_path)
