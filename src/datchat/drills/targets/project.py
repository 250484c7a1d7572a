"""The containers of a Compose project, as parts of Dat Chat. Pure: what an engine lists goes in."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

PROJECT: Final = "com.docker.compose.project"
SERVICE: Final = "com.docker.compose.service"
NUMBER: Final = "com.docker.compose.container-number"
ONE_OFF: Final = "com.docker.compose.oneoff"
PORTS: Final = {"redis": 6379, "sentinel": 26379, "web": 8080, "haproxy": 8081}
"""The kinds of parts, each with the port on which it usually serves."""
_SERVICES: Final = (
    ("sentinel", re.compile(r"(redis)?-?sentinel\d*")),
    ("redis", re.compile(r"redis(master|slave|replica)?\d*")),
    ("web", re.compile(r"web\d*")),
    ("haproxy", re.compile(r"haproxy\d*")),
)
"""What a service is, by its name."""
_STATES: Final = {"running": "running", "paused": "paused", "exited": "stopped", "created": "stopped"}


@dataclass(frozen=True)
class Piece:
    """A container of the project, as it is now."""

    name: str
    """The service's; with its number where there are several of that service."""
    kind: str
    service: str
    container: str
    """Its number at the engine."""
    state: str
    """As a part's."""
    addresses: tuple[str, ...]
    """Where it is reached on the networks that it is on."""


def kind_of(service: str) -> str | None:
    """What a service is a part of Dat Chat as; None when it is none."""
    return next((kind for kind, pattern in _SERVICES if pattern.fullmatch(service)), None)


def pieces(listed: Iterable[Mapping[str, Any]]) -> list[Piece]:
    """The parts among the containers of one project, in the order of their names."""
    found = [container for container in listed if _belongs(container)]
    services = [container["Labels"][SERVICE] for container in found]
    return sorted((_piece(container, services) for container in found), key=lambda piece: piece.name)


def projects(listed: Iterable[Mapping[str, Any]]) -> dict[str, set[str]]:
    """The Compose projects among all containers, each with the kinds of parts that it has."""
    found: dict[str, set[str]] = {}
    for container in listed:
        kinds = found.setdefault(container["Labels"][PROJECT], set())
        if _belongs(container) and (kind := kind_of(container["Labels"][SERVICE])) is not None:
            kinds.add(kind)
    return found


def published(inspected: Mapping[str, Any]) -> int | None:
    """The port of its host under which a container is reached, if that stays the same when it starts again."""
    for bindings in (inspected["HostConfig"].get("PortBindings") or {}).values():
        for binding in bindings or ():
            if binding.get("HostPort", "") not in ("", "0"):
                return int(binding["HostPort"])
    return None


def listens_on(kind: str, inspected: Mapping[str, Any]) -> int:
    """The port on which a part serves: for nodes and load balancer the lowest that the container says."""
    said = inspected["Config"].get("ExposedPorts") or {}
    exposed = [int(port.partition("/")[0]) for port in said if port.endswith("/tcp")]
    # The sentinels' image is that of the servers, and says those' port.
    return min(exposed) if exposed and kind in ("web", "haproxy") else PORTS[kind]


def descriptors(inspected: Mapping[str, Any], proc: Path = Path("/proc")) -> int | None:
    """
    How many descriptors a container's processes have open; None where that can't be seen: not as root, or not on the
    engine's own machine.
    """
    first = int(inspected["State"]["Pid"])
    try:
        # Where processes have other numbers, this one is somebody else's.
        if inspected["Id"] not in (proc / str(first) / "cgroup").read_text():
            return None
        return sum(len(os.listdir(proc / str(pid) / "fd")) for pid in _family(first, proc))
    except OSError:
        return None


def memory(stats: Mapping[str, Any]) -> int:
    """What a container's processes hold in memory, files that the kernel keeps at hand left out."""
    known = stats["memory_stats"].get("stats", {})
    # The first is what the kernel's control groups say in their second version, the other in the first.
    return int(known.get("anon", known.get("total_rss", 0)))


def _belongs(container: Mapping[str, Any]) -> bool:
    labels = container["Labels"]
    return labels.get(ONE_OFF, "False") != "True" and kind_of(labels.get(SERVICE, "")) is not None


def _piece(container: Mapping[str, Any], services: Sequence[str]) -> Piece:
    labels = container["Labels"]
    service = labels[SERVICE]
    networks = container["NetworkSettings"]["Networks"].values()
    kind = kind_of(service)
    assert kind is not None
    return Piece(
        name=service if services.count(service) == 1 else f"{service}-{labels[NUMBER]}",
        kind=kind,
        service=service,
        container=container["Id"],
        state=_STATES.get(container["State"], "failed"),
        addresses=tuple(network["IPAddress"] for network in networks if network["IPAddress"]),
    )


def _family(pid: int, proc: Path) -> Iterable[int]:
    yield pid
    for task in os.listdir(proc / str(pid) / "task"):
        for child in (proc / str(pid) / "task" / task / "children").read_text().split():
            yield from _family(int(child), proc)
