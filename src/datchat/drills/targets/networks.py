"""
Cuts between containers, by the networks they are on.

Those that are cut off move to a network of their own, together and under their old names; their addresses change with
that, as they do when they come back. What they were on is kept with that network, at the engine: so a cut that a killed
drill has left is undone by the next.
"""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from datchat.drills.targets.engine import Engine, Refused

OWNER: Final = "datchat.drill.project"
"""The label of a side network: whose parts are on it."""
HOMES: Final = "datchat.drill.homes"
"""The label that holds what they were on."""
KEPT: Final = ("IPAMConfig", "Links", "Aliases", "DriverOpts")
"""What of an endpoint was asked for, and is to be so again; the rest the engine chose."""


class Home(msgspec.Struct, frozen=True):
    """A container on a network."""

    container: str
    network: str
    address: str
    endpoint: dict[str, Any]


def homes(inspected: Mapping[str, Any]) -> list[Home]:
    """The networks that a container is on, from what the engine says of it."""
    container = inspected["Id"]
    found = []
    for attached in inspected["NetworkSettings"]["Networks"].values():
        endpoint = {key: attached[key] for key in KEPT if attached.get(key)}
        # The engine adds a name of its own for the container.
        names = [alias for alias in endpoint.pop("Aliases", ()) if not container.startswith(alias)]
        if names:
            endpoint["Aliases"] = names
        found.append(Home(container, attached["NetworkID"], attached["IPAddress"], endpoint))
    return found


async def cut_off(engine: Engine, project: str, containers: Iterable[str]) -> None:
    """
    Move containers to a network of their own.

    Raises:
        TargetError: It did not go; ``heal`` undoes what was done.
    """
    inspected = [await engine.ask(f"/containers/{container}/json") for container in containers]
    known = [home for one in inspected for home in homes(one)]
    names = {home.container: [str(name) for name in home.endpoint.get("Aliases", ())] for home in known}
    internal = [(await engine.ask(f"/networks/{home}"))["Internal"] for home in {home.network for home in known}]
    side = await _side_network(engine, project, known, all(internal))
    for container, aliases in names.items():
        await _connect(engine, side, container, {"Aliases": aliases})
    await asyncio.gather(*(_disconnect(engine, home.network, home.container) for home in known))


async def heal(engine: Engine, project: str) -> set[str]:
    """
    Move everybody back and remove the side networks; returns the containers that were on them.

    Raises:
        TargetError: It did not go.
    """
    moved: set[str] = set()
    for side in await side_networks(engine, project):
        known = msgspec.json.decode(side["Labels"][HOMES], type=list[Home])
        # Addresses are given out from the lowest on: in this order most get theirs back.
        for home in sorted(known, key=_place):
            await _connect(engine, home.network, home.container, home.endpoint)
        for container in {home.container for home in known}:
            await _disconnect(engine, side["Id"], container)
        await engine.remove(f"/networks/{side['Id']}")
        moved |= {home.container for home in known}
    return moved


async def side_networks(engine: Engine, project: str) -> list[dict[str, Any]]:
    """The networks of those that are cut off now."""
    found: list[dict[str, Any]] = await engine.ask("/networks", filters={"label": [f"{OWNER}={project}"]})
    return found


async def _side_network(engine: Engine, project: str, known: list[Home], internal: bool) -> str:
    wanted = {
        "Name": f"{project}_drill-{secrets.token_hex(3)}",
        "Labels": {OWNER: project, HOMES: msgspec.json.encode(known).decode()},
        # As before: where nothing leads out, a name that is unknown is known to be so at once.
        "Internal": internal,
        # If it leads out, then to the engine's host and no further.
        "Options": {"com.docker.network.bridge.enable_ip_masquerade": "false"},
    }
    return str((await engine.do("/networks/create", wanted))["Id"])


async def _connect(engine: Engine, network: str, container: str, endpoint: Mapping[str, Any]) -> None:
    try:
        await engine.do(f"/networks/{network}/connect", {"Container": container, "EndpointConfig": endpoint})
    except Refused as refusal:
        # 404: the container was taken down meanwhile.
        if refusal.status != 404 and "already exists" not in str(refusal):
            raise


async def _disconnect(engine: Engine, network: str, container: str) -> None:
    try:
        await engine.do(f"/networks/{network}/disconnect", {"Container": container, "Force": False})
    except Refused as refusal:
        if refusal.status != 404 and "is not connected" not in str(refusal):
            raise


def _place(home: Home) -> tuple[int, int]:
    address = ipaddress.ip_address(home.address) if home.address else None
    return (address.version, int(address)) if address else (0, 0)
