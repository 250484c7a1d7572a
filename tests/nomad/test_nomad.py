"""The job on a real Nomad: deployed, rolled, its parts killed, a host crashed, and each time judged by a drill."""

from __future__ import annotations

from pathlib import Path

import pytest

from datchat.drills.targets.orchestrated import DRAIN_S
from support import nomad
from support.drilled import drilled, needs_crashes
from support.eventually import eventually_now
from support.nomad import ask_sentinel, needs_nomad

pytestmark = [needs_nomad, pytest.mark.timeout(900)]


def test_a_missing_secret_is_named(missing: str) -> None:
    """Without its secrets nothing starts, and what Nomad says of a task names the variable."""
    assert nomad.VARIABLE in missing


def test_everything_runs_where_it_should(running: str) -> None:
    """One of each server and sentinel, a load balancer on each host, and not both sentinels beside the first master."""
    found = nomad.running()
    on = nomad.placed()

    assert sum(allocation["TaskGroup"] == "web" for allocation in found) >= 3
    balanced = sorted(allocation["NodeName"] for allocation in found if allocation["TaskGroup"] == "haproxy")
    assert balanced == sorted(nomad.hosts())
    assert nomad.hosts_of_sentinels().count(on["redismaster"]["NodeName"]) == 1


def test_containers_are_closed(running: str) -> None:
    """Each has a read-only root, no capabilities, another user than root, and no secret in its environment."""
    for allocation in nomad.running():
        group = allocation["TaskGroup"]
        status = nomad.within(allocation, "cat /proc/1/status")
        assert "\nCapEff:\t0000000000000000\n" in status, group
        assert "\nUid:\t0\t" not in status, group
        assert "written" not in nomad.within(allocation, "(: >/etc/written) 2>/dev/null && echo written || true"), group
        told = [line for line in nomad.within(allocation, "env").splitlines() if "PASSWORD" in line or "SECRET" in line]
        assert all(line.partition("=")[2].startswith(("/secrets", "cheap")) for line in told), told


@pytest.mark.parametrize("scenario", ["redis-kill", "web-kill", "rolling-restart"])
def test_parts_are_killed_and_rolled(scenario: str, running: str, tmp_path: Path) -> None:
    """Servers and nodes, while people talk: nothing is lost, doubled or out of order."""
    drilled("nomad", scenario, tmp_path)


def test_a_host_is_drained(running: str, tmp_path: Path) -> None:
    """It is empty before its time is up: what moves does not wait for what stays, and nothing is lost."""
    result = drilled("nomad", "node-drain", tmp_path)

    (fault,) = (fault for fault in result.faults if fault.kind == "drain")
    assert fault.until_s - fault.at_s < DRAIN_S


@needs_crashes
def test_a_host_crashes(running: str, tmp_path: Path) -> None:
    """The host with the master and one of three sentinels goes: with two hosts the other has the majority. Valid."""
    for _ in range(12):
        if nomad.hosts_of_sentinels().count(nomad.host_of_master()) == 1:
            break
        ask_sentinel("failover mymaster || true")
        eventually_now(lambda: "failover_in_progress" not in ask_sentinel("master mymaster"), 60)

    drilled("nomad", "node-crash", tmp_path)
