"""What Nomad lists of a job, read as parts."""

from __future__ import annotations

from typing import Any

import pytest

from datchat.drills.targets.allocations import allocations, groups, missing, place


def listed(
    group: str, index: int = 0, client: str = "running", at: int = 1, desired: str = "run", task: str = "running"
) -> dict[str, Any]:
    return {
        "ID": f"{group}{index}-{at}",
        "Name": f"datchat.{group}[{index}]",
        "TaskGroup": group,
        "DesiredStatus": desired,
        "ClientStatus": client,
        "CreateIndex": at,
        "NodeName": "node1",
        "TaskStates": {"main": {"State": task}},
    }


def test_parts_are_named_by_group_and_number() -> None:
    """Servers have their group's name, nodes and load balancers a number too; what is no part is left out."""
    found = allocations([listed("redismaster"), listed("web", 1), listed("haproxy", 0), listed("backup")])

    assert [(part.name, part.kind, part.task) for part in found] == [
        ("haproxy0", "haproxy", "main"),
        ("redismaster", "redis", "main"),
        ("web1", "web", "main"),
    ]


def test_one_that_runs_counts_before_a_newer_one() -> None:
    """A replacement that waits for a host is not the part while the part runs."""
    (part,) = allocations([listed("web", at=1), listed("web", client="pending", at=2)])

    assert part.id == "web0-1"


@pytest.mark.parametrize("gone", [{"client": "lost"}, {"client": "complete"}, {"desired": "stop"}])
def test_what_is_gone_is_no_part(gone: dict[str, str]) -> None:
    """Lost, complete, or meant to stop."""
    assert allocations([listed("web", **gone)]) == []


@pytest.mark.parametrize("down", [{"client": "unknown"}, {"client": "pending"}, {"task": "dead"}])
def test_what_does_not_run(down: dict[str, str]) -> None:
    """On a host that is away, waiting, or with a task that ended."""
    (part,) = allocations([listed("web", **down)])

    assert part.state == "stopped"


def test_what_is_missing_is_said() -> None:
    """Groups with fewer than they are meant to have."""
    wanted = groups({"TaskGroups": [{"Name": "web", "Count": 2}, {"Name": "backup", "Count": 1}]})

    assert list(missing(allocations([listed("web")]), wanted)) == ["web: 1 of 2 run"]
    assert list(missing(allocations([listed("web", 0), listed("web", 1)]), wanted)) == []


def test_where_one_serves() -> None:
    """By the label of its kind's port."""
    said = {"AllocatedResources": {"Shared": {"Ports": [{"Label": "http", "HostIP": "192.0.2.1", "Value": 21000}]}}}

    assert place(said, "web") == ("192.0.2.1", 21000)
    with pytest.raises(KeyError):
        place(said, "redis")
