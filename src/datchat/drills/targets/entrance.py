"""
How people come into a Kubernetes cluster.

Through the load balancer's address where the Service ``web`` has one; by the port that it has on every node, over nodes
that are ready, as a load balancer before the cluster would; and where that can't be reached from here, to one of the
nodes' pods, as the Service would choose.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from datchat.drills.targets.door import Streams

CONNECT_S: Final = 1.0


def balanced(service: Mapping[str, Any]) -> str | None:
    """The URL of the load balancer before a Service; None while it has none."""
    for place in service["status"].get("loadBalancer", {}).get("ingress", []):
        host, port = place.get("ip") or place.get("hostname"), service["spec"]["ports"][0]["port"]
        if host:
            return f"http://{f'[{host}]' if ':' in host else host}:{port}"
    return None


def node_port(service: Mapping[str, Any]) -> int | None:
    """The port that a Service has on every node, if it has one."""
    port: int | None = service["spec"]["ports"][0].get("nodePort")
    return port


def ready_nodes(listed: Mapping[str, Any]) -> dict[str, str]:
    """The addresses of the nodes that are ready, by their names."""
    found = {}
    for node in listed["items"]:
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", []))
        address = next((a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP"), None)
        if ready and address:
            found[node["metadata"]["name"]] = address
    return found


def by_node_port(addresses: Callable[[], Awaitable[list[str]]], port: int) -> Callable[[], Awaitable[Streams]]:
    """A way in by a port of the nodes, any of those that are ready; the next one where one does not answer."""

    async def way() -> Streams:
        candidates = await addresses()
        random.shuffle(candidates)
        for address in candidates:
            with contextlib.suppress(OSError):
                async with asyncio.timeout(CONNECT_S):
                    return await asyncio.open_connection(address, port)
        raise ConnectionError("no node lets anybody in")

    return way
