"""The job on a real Nomad: deployed, rolled, its parts killed, a host crashed, and each time judged by a drill."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nomad.conftest import ADDRESS, NODES, Nomad
from support.eventually import eventually_now
from support.testbeds import needs

pytestmark = [needs("nomad"), pytest.mark.timeout(900)]


def test_everything_runs_where_it_should(nomad: Nomad) -> None:
    """One of each server and sentinel, a load balancer on each host, and not both sentinels beside the first master."""
    found = json.loads(nomad.nomad("job", "allocs", "-json", "datchat"))
    where = {(a["TaskGroup"], a["Name"]): a["NodeName"] for a in found if a["ClientStatus"] == "running"}
    on = {group: host for (group, _), host in where.items()}

    assert sum(group == "web" for group, _ in where) >= 3
    assert {host for (group, _), host in where.items() if group == "haproxy"} == {f"node{node}" for node in NODES}
    sentinels = [on[name] for name in ("redissentinel", "redissentinel2", "redissentinel3")]
    assert sentinels.count(on["redismaster"]) == 1


def test_containers_are_closed(nomad: Nomad) -> None:
    """Each has a read-only root, no capabilities, another user than root, and no secret in what the engine shows."""
    for node in NODES:
        for container in nomad.inside(node, "docker", "ps", "--quiet").split():
            (said,) = json.loads(nomad.inside(node, "docker", "inspect", container))
            assert said["HostConfig"]["ReadonlyRootfs"], said["Name"]
            assert [name.upper() for name in said["HostConfig"]["CapDrop"]] == ["ALL"], said["Name"]
            assert said["Config"]["User"] not in ("", "0", "root"), said["Name"]
            told = [text for text in said["Config"]["Env"] if "PASSWORD" in text or "SECRET" in text]
            assert all(text.partition("=")[2].startswith(("/secrets", "cheap")) for text in told), told


@pytest.mark.parametrize("scenario", ["redis-kill", "web-kill", "rolling-restart"])
def test_drills(nomad: Nomad, scenario: str) -> None:
    """Parts killed, everything updated, while people talk: valid."""
    result = nomad.drill(scenario, NOMAD_ADDR=ADDRESS)

    assert result["acknowledged"] > 0
    assert result["lost"] == 0


def test_a_missing_secret_is_named(missing: str) -> None:
    """Without its secrets nothing starts, and what Nomad says of a task names the variable."""
    assert "nomad/jobs/datchat" in missing


def test_a_host_crashes(nomad: Nomad) -> None:
    """The host with the master and one of three sentinels goes: with two hosts the other has the majority. Valid."""
    for _ in range(12):
        master = host_of_master(nomad)
        if hosts_of_sentinels(nomad).count(master) == 1:
            break
        ask_sentinel(nomad, "failover mymaster || true")
        eventually_now(lambda: "failover_in_progress" not in ask_sentinel(nomad, "master mymaster"), 60)
    result = nomad.drill("node-crash", NOMAD_ADDR=ADDRESS)

    assert result["lost"] == 0


def ask_sentinel(nomad: Nomad, question: str) -> str:
    """What a sentinel answers."""
    asked = running(nomad)["redissentinel"]["ID"]
    words = f"redis-cli -p $SENTINEL_PORT sentinel {question}"
    return nomad.nomad("alloc", "exec", "-i=false", "-t=false", asked, "sh", "-c", words)


def host_of_master(nomad: Nomad) -> str:
    return f"node{ask_sentinel(nomad, 'get-master-addr-by-name mymaster').split()[0][-1]}"


def hosts_of_sentinels(nomad: Nomad) -> list[str]:
    on = running(nomad)
    return [on[name]["NodeName"] for name in ("redissentinel", "redissentinel2", "redissentinel3")]


def running(nomad: Nomad) -> dict[str, dict[str, Any]]:
    """What runs of each group, one of each."""
    found = json.loads(nomad.nomad("job", "allocs", "-json", "datchat"))
    return {a["TaskGroup"]: a for a in found if a["ClientStatus"] == "running"}
