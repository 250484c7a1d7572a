"""The parts of a cluster, as values: their names, kinds and addresses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from datchat.errors import ConfigurationError

MASTER_NAME: Final = "mymaster"
"""What the sentinels call the Redis master, whichever server it is."""

SENTINELS: Final = 3
QUORUM: Final = 2


class Kind(StrEnum):
    """What a part is."""

    REDIS = "redis"
    SENTINEL = "sentinel"
    WEB = "web"
    HAPROXY = "haproxy"

    @property
    def port(self) -> int:
        """The port on which such a part listens when it has an address of its own."""
        return {Kind.REDIS: 6379, Kind.SENTINEL: 26379, Kind.WEB: 8080, Kind.HAPROXY: 8081}[self]


class State(StrEnum):
    """How a part is: ``failed`` means that it ended and nobody had told it to."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    FAILED = "failed"


class Part(msgspec.Struct, frozen=True):
    """One part and where it listens. The load balancer's is the address that people use."""

    name: str
    kind: Kind
    host: str
    port: int

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster that was laid out: what its directory's ``cluster.json`` holds."""

    network: str
    parts: tuple[Part, ...]
    master: str
    """The Redis server that begins as master."""
    url: str
    store: str
    """The URL of the store that the web nodes use."""
    balancer_host: str
    """The address from which the load balancer reaches the web nodes."""
    web_command: tuple[str, ...] | None = None
    """Another program for the web nodes than ``datchat serve``."""

    def of(self, kind: Kind) -> tuple[Part, ...]:
        return tuple(part for part in self.parts if part.kind is kind)

    def part(self, name: str) -> Part:
        """
        The part with this name.

        Raises:
            ConfigurationError: There is none.
        """
        for part in self.parts:
            if part.name == name:
                return part
        raise ConfigurationError(f"there is no part {name!r}: the parts are {', '.join(p.name for p in self.parts)}")

    def chosen(self, names: Sequence[str]) -> tuple[Part, ...]:
        """The parts with these names, each once; every part when there are none."""
        return tuple(dict.fromkeys(self.part(name) for name in names)) or self.parts


def names(web: int, replicas: int) -> Iterator[tuple[str, Kind]]:
    """The parts of a cluster with so many web nodes and replicas, named as the original names them."""
    yield "redismaster", Kind.REDIS
    for number in range(1, replicas + 1):
        yield _numbered("redisslave", number), Kind.REDIS
    for number in range(1, SENTINELS + 1):
        yield _numbered("redissentinel", number), Kind.SENTINEL
    for number in range(web):
        yield f"web{number}", Kind.WEB
    yield "haproxy", Kind.HAPROXY


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}{number}"


def store_url(sentinels: Sequence[Part], options: str = "") -> str:
    """The URL of the store behind these sentinels."""
    url = f"redis+sentinel://{','.join(part.address for part in sentinels)}/{MASTER_NAME}"
    return f"{url}?{options}" if options else url


def load_plan(directory: Path) -> Plan | None:
    """The plan of the cluster that was last up in this directory."""
    try:
        return msgspec.json.decode((directory / PLAN).read_bytes(), type=Plan)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError:
        raise ConfigurationError(f"{directory / PLAN} can't be read: remove the directory and start anew") from None


def save_plan(directory: Path, plan: Plan) -> None:
    (directory / PLAN).write_bytes(msgspec.json.format(msgspec.json.encode(plan), indent=2) + b"\n")


PLAN: Final = "cluster.json"
