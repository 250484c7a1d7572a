"""From a wish to a plan: every part gets its place, and what an earlier cluster has left decides who is master."""

from __future__ import annotations

from pathlib import Path

from datchat.cluster.files import has_data, last_master
from datchat.cluster.network import Network
from datchat.cluster.parts import Kind, Part, Plan, names, store_url
from datchat.cluster.wish import Wish
from datchat.errors import ConfigurationError


def lay_out(wish: Wish, network: Network, port: int, before: Plan | None) -> Plan:
    """
    The plan of a cluster. ``port`` is the one on which people reach it; ``before`` is the plan of the cluster that ran
    in this directory last.

    Raises:
        ConfigurationError: The data in the directory are of another cluster than the one that is wanted.
    """
    parts = []
    for name, kind in names(wish.web, wish.replicas):
        place = network.lodge(name, kind.port)
        # The load balancer has a place in the network too, but where people reach it is on this machine.
        parts.append(Part(name, kind, *(place if kind is not Kind.HAPROXY else (wish.host, port))))
    servers = [part.name for part in parts if part.kind is Kind.REDIS]
    return Plan(
        network=network.kind,
        parts=tuple(parts),
        master=choose_master(wish.directory, before, servers),
        url=_url(wish.host, port),
        store=wish.web_store or store_url([part for part in parts if part.kind is Kind.SENTINEL], wish.store_options),
        balancer_host=network.balancer_host,
        web_command=wish.web_command,
    )


def choose_master(directory: Path, before: Plan | None, servers: list[str]) -> str:
    """
    The Redis server to begin with: the last master, since everything that was acknowledged is there.

    Raises:
        ConfigurationError: It is not among the servers, or its data are gone while others have some.
    """
    chosen = (last_master(directory, before) or before.master) if before else servers[0]
    if chosen not in servers:
        raise ConfigurationError(f"{chosen} was master last and holds the data: ask for as many replicas as before")
    if not has_data(directory, chosen) and any(has_data(directory, name) for name in servers):
        raise ConfigurationError(
            f"{chosen} was master last and its data are gone: put {directory / chosen / 'data'} back, "
            f"or start anew after `datchat down --dir {directory}`"
        )
    return chosen


def _url(host: str, port: int) -> str:
    shown = "127.0.0.1" if host in ("0.0.0.0", "", "::") else f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}"
