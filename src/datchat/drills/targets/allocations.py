"""The allocations of a Nomad job, as parts of Dat Chat. Pure: what Nomad lists goes in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from datchat.drills.targets.project import kind_of

LABELS: Final = {"redis": "redis", "sentinel": "sentinel", "web": "http", "haproxy": "chat"}
"""The kinds of parts, each with the label of its port in the job."""
_INDEX: Final = re.compile(r"\[(\d+)\]$")
NUMBERED: Final = ("web", "haproxy")
"""Kinds whose group has several allocations: the number is part of the name."""


@dataclass(frozen=True)
class Allocation:
    """What is meant to run in one place of a group, as it is now."""

    name: str
    """The part's: the group's, with its number where there are several."""
    id: str
    kind: str
    group: str
    task: str
    host: str
    """The name of the client that it is on."""
    state: str
    """As a part's."""


def groups(job: Mapping[str, Any]) -> dict[str, int]:
    """How many allocations each group of a job is meant to have, of those that are parts of Dat Chat."""
    return {group["Name"]: group["Count"] for group in job["TaskGroups"] if kind_of(group["Name"]) is not None}


def allocations(listed: Iterable[Mapping[str, Any]]) -> list[Allocation]:
    """One for each place that is meant to be taken: of several the newest that runs, else the newest."""
    best: dict[str, tuple[bool, int, Allocation]] = {}
    for item in listed:
        kind = kind_of(item["TaskGroup"])
        if kind is None or item["DesiredStatus"] != "run" or item["ClientStatus"] in ("complete", "lost"):
            continue
        found = _allocation(item, kind)
        rank = found.state == "running", item["CreateIndex"]
        if found.name not in best or rank > best[found.name][:2]:
            best[found.name] = *rank, found
    return sorted((found for _, _, found in best.values()), key=lambda found: found.name)


def missing(found: Iterable[Allocation], wanted: Mapping[str, int]) -> Iterator[str]:
    """What of the groups is not there, in words."""
    running = [allocation.group for allocation in found if allocation.state == "running"]
    for group, count in wanted.items():
        if running.count(group) != count:
            yield f"{group}: {running.count(group)} of {count} run"


def place(allocation: Mapping[str, Any], kind: str) -> tuple[str, int]:
    """
    Where an allocation serves, from what Nomad says of it alone.

    Raises:
        KeyError: It has no such port.
    """
    for port in allocation["AllocatedResources"]["Shared"].get("Ports") or []:
        if port["Label"] == LABELS[kind]:
            return port["HostIP"], port["Value"]
    raise KeyError(LABELS[kind])


def _allocation(item: Mapping[str, Any], kind: str) -> Allocation:
    index = _INDEX.search(item["Name"])
    states = item.get("TaskStates") or {}
    runs = item["ClientStatus"] == "running" and bool(states) and all(s["State"] == "running" for s in states.values())
    return Allocation(
        name=item["TaskGroup"] + (index[1] if index and kind in NUMBERED else ""),
        id=item["ID"],
        kind=kind,
        group=item["TaskGroup"],
        task=next(iter(states), kind),
        host=item["NodeName"],
        state="running" if runs else "stopped",
    )
