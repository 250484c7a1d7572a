"""The tasks of a Docker Swarm stack, as parts of Dat Chat. Pure: what a manager lists goes in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from datchat.drills.targets.project import kind_of

STACK: Final = "com.docker.stack.namespace"
SERVICE: Final = "com.docker.swarm.service.name"
TASK: Final = "com.docker.swarm.task.name"
PORTS: Final = {"redis": 6379, "sentinel": 26379, "web": 8080, "haproxy": 8081}
"""The kinds of parts, each with the port on which it serves in its container."""


@dataclass(frozen=True)
class Service:
    """A service of the stack, as it is meant to be."""

    id: str
    name: str
    """Without the stack's."""
    kind: str
    replicas: int | None
    """None: one on every node."""
    published: int | None
    """The port of every host on which it is reached."""
    updating: str | None
    """What stands in the way of its last update; None when there is none, or it is done."""


@dataclass(frozen=True)
class Node:
    """A host of the swarm."""

    id: str
    name: str
    address: str
    ready: bool


@dataclass(frozen=True)
class Task:
    """What is meant to run in one place of a service, as it is now."""

    name: str
    """The part's: the service's, with the number or the host behind it where there are several."""
    service: Service
    slot: str
    """What tells it from the others of its service, in the names of its containers: a number, or a node's id."""
    host: str
    """The node's name; empty while it has none."""
    container: str
    """Empty while it has none."""
    state: str
    """As a part's."""


def services(listed: Iterable[Mapping[str, Any]], stack: str) -> list[Service]:
    """The services of a stack that are parts of Dat Chat."""
    return [found for found in (_service(item, stack) for item in listed) if found is not None]


def nodes(listed: Iterable[Mapping[str, Any]]) -> dict[str, Node]:
    """The hosts, by id."""
    return {
        item["ID"]: Node(
            item["ID"],
            item["Description"]["Hostname"],
            item.get("ManagerStatus", {}).get("Addr", "").rpartition(":")[0] or item["Status"].get("Addr", ""),
            item["Status"]["State"] == "ready",
        )
        for item in listed
    }


def tasks(listed: Iterable[Mapping[str, Any]], known: Iterable[Service], hosts: Mapping[str, Node]) -> list[Task]:
    """One task for each place that is meant to be taken: of several the newest, since others are history."""
    by_id = {service.id: service for service in known}
    newest: dict[tuple[str, str], Mapping[str, Any]] = {}
    for item in listed:
        if item["ServiceID"] not in by_id or item["DesiredState"] in ("shutdown", "remove"):
            continue
        place = item["ServiceID"], _slot(item)
        if place not in newest or item["CreatedAt"] > newest[place]["CreatedAt"]:
            newest[place] = item
    found = [_task(item, by_id[item["ServiceID"]], hosts) for item in newest.values()]
    return sorted(found, key=lambda task: task.name)


def missing(found: Iterable[Task], known: Iterable[Service], hosts: Mapping[str, Node]) -> Iterator[str]:
    """What of the services is not there, in words."""
    running = [task for task in found if task.state == "running"]
    for service in known:
        wanted = service.replicas if service.replicas is not None else len(hosts)
        there = sum(task.service.id == service.id for task in running)
        if there != wanted:
            yield f"{service.name}: {there} of {wanted} tasks run"
        if service.updating is not None:
            yield f"{service.name}: its update is {service.updating}"


def _service(item: Mapping[str, Any], stack: str) -> Service | None:
    name = item["Spec"]["Name"].removeprefix(f"{stack}_")
    kind = kind_of(name)
    if kind is None:
        return None
    mode = item["Spec"]["Mode"]
    ports = item["Spec"].get("EndpointSpec", {}).get("Ports") or [{}]
    state = item.get("UpdateStatus", {}).get("State")
    return Service(
        id=item["ID"],
        name=name,
        kind=kind,
        replicas=mode["Replicated"]["Replicas"] if "Replicated" in mode else None,
        published=ports[0].get("PublishedPort"),
        updating=None if state in (None, "completed", "rollback_completed") else state,
    )


def _slot(item: Mapping[str, Any]) -> str:
    return str(item.get("Slot") or item.get("NodeID", ""))


def _task(item: Mapping[str, Any], service: Service, hosts: Mapping[str, Node]) -> Task:
    host = hosts.get(item.get("NodeID", ""))
    name = service.name
    if service.replicas is None:
        name = f"{service.name}-{host.name if host else 'nowhere'}"
    elif service.kind == "web":
        name = f"{service.name}{item['Slot']}"
    status = item["Status"]
    return Task(
        name=name,
        service=service,
        slot=_slot(item),
        host=host.name if host else "",
        container=status.get("ContainerStatus", {}).get("ContainerID", ""),
        state="running" if status["State"] == "running" else "stopped",
    )
