"""A Docker engine in memory: containers on networks, as its API shows them. What was done to it stands in ``done``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import httpx

from datchat.drills.targets.engine import Engine

LISTED = ("Id", "Labels")


class FakeEngine:
    """Answers as an engine does, as far as drills ask it."""

    def __init__(self) -> None:
        self.containers: dict[str, dict[str, Any]] = {}
        self.networks: dict[str, dict[str, Any]] = {}
        self.done: list[tuple[str, ...]] = []
        self.answers: dict[tuple[str, ...], str] = {}
        """What commands in containers print; others fail."""
        self.execs: dict[str, tuple[str, ...]] = {}
        self.on_kill: Callable[[dict[str, Any]], None] = self.end
        self.refuse: dict[str, tuple[int, str]] = {}
        """Paths, alone or with the container they are about, that are refused, with status and message."""
        self.network("home", "127.9.0.")

    def client(self) -> Engine:
        """An engine of the drill's that talks to this one."""
        transport = httpx.MockTransport(self._handle)
        return Engine(httpx.AsyncClient(transport=transport, base_url="http://docker"), "unix:///fake.sock")

    def network(self, name: str, prefix: str, **said: Any) -> None:
        self.networks[name] = {"Id": name, "Name": name, "Labels": {}, "Internal": False, **said}
        self.networks[name] |= {"prefix": prefix, "ends": {}}

    def service(self, service: str, project: str = "chat", number: int = 1, **config: Any) -> dict[str, Any]:
        """A running container of a service, on the network ``home``."""
        container = {
            "Id": hashlib.sha256(f"{project} {service} {number}".encode()).hexdigest(),
            "Labels": {
                "com.docker.compose.project": project,
                "com.docker.compose.service": service,
                "com.docker.compose.container-number": str(number),
                "com.docker.compose.oneoff": "False",
            },
            "State": {"Status": "running", "Running": True, "Pid": 2**22 + len(self.containers), "StartedAt": "1"},
            "Config": {"ExposedPorts": {}, **config},
            "HostConfig": {"PortBindings": {}},
        }
        self.containers[container["Id"]] = container
        self._join("home", container["Id"], {"Aliases": [service]})
        return container

    def of(self, service: str) -> dict[str, Any]:
        """The container of a service."""
        found = self.containers.values()
        return next(one for one in found if one["Labels"]["com.docker.compose.service"] == service)

    def end(self, container: dict[str, Any]) -> None:
        container["State"].update(Status="exited", Running=False, Pid=0)

    def begin(self, container: dict[str, Any]) -> None:
        again = str(int(container["State"]["StartedAt"]) + 1)
        container["State"].update(Status="running", Running=True, Pid=7, StartedAt=again)

    def whereabouts(self, container: dict[str, Any]) -> dict[str, tuple[str, list[str]]]:
        """The networks of a container, with its address and its names there."""
        attached = self.inspect(container)["NetworkSettings"]["Networks"]
        return {name: (end["IPAddress"], end["Aliases"]) for name, end in attached.items()}

    def inspect(self, container: dict[str, Any]) -> dict[str, Any]:
        ends = {name: network["ends"].get(container["Id"]) for name, network in self.networks.items()}
        return {**container, "NetworkSettings": {"Networks": {name: end for name, end in ends.items() if end}}}

    def _join(self, network: str, container: str, endpoint: dict[str, Any]) -> None:
        ends = self.networks[network]["ends"]
        taken = {end["IPAddress"] for end in ends.values()}
        fixed = (endpoint.get("IPAMConfig") or {}).get("IPv4Address")
        free = (f"{self.networks[network]['prefix']}{number}" for number in range(2, 250))
        ends[container] = {
            "NetworkID": network,
            "IPAddress": fixed or next(address for address in free if address not in taken),
            "IPAMConfig": endpoint.get("IPAMConfig"),
            "Links": None,
            "Aliases": [*endpoint.get("Aliases", []), container[:12]],
            "DriverOpts": None,
        }

    def _handle(self, request: httpx.Request) -> httpx.Response:  # noqa: C901 (a table of paths)
        path = request.url.path
        body = json.loads(request.content) if request.content else {}
        if (refused := self.refuse.get(path) or self.refuse.get(f"{path} {body.get('Container')}")) is not None:
            status, message = refused
            return httpx.Response(status, json={"message": message})
        match request.method, *path.strip("/").split("/"):
            case "GET", "version":
                return httpx.Response(200, json={"Version": "20.10", "KernelVersion": "6.1"})
            case "GET", "info":
                return httpx.Response(200, json={"NCPU": 2})
            case "GET", "containers", "json":
                return httpx.Response(200, json=self._listed(json.loads(request.url.params["filters"])["label"]))
            case "GET", "containers", number, "json":
                return httpx.Response(200, json=self.inspect(self.containers[number]))
            case "GET", "containers", number, "stats":
                return httpx.Response(200, json={"memory_stats": {"stats": {"total_rss": 5000}}})
            case "GET", "containers", number, "logs":
                return httpx.Response(200, content=b"\1\0\0\0\0\0\0\3hi\n\2\0\0\0\0\0\0\4err\n")
            case "POST", "containers", number, "exec":
                self.execs[str(len(self.execs))] = tuple(body["Cmd"])
                return httpx.Response(201, json={"Id": str(len(self.execs) - 1)})
            case "POST", "exec", number, "start":
                said = self.answers.get(self.execs[number], "").encode()
                return httpx.Response(200, content=b"\1\0\0\0" + len(said).to_bytes(4) + said)
            case "GET", "exec", number, "json":
                return httpx.Response(200, json={"ExitCode": int(self.execs[number] not in self.answers)})
            case "POST", "containers", number, act:
                return self._act(self.containers[number], act)
            case "GET", "networks":
                return httpx.Response(200, json=self._with(json.loads(request.url.params["filters"])["label"]))
            case "GET", "networks", name:
                return httpx.Response(200, json=self.networks[name])
            case "POST", "networks", "create":
                self.network(body["Name"], f"127.{30 + len(self.networks)}.0.", **body)
                return httpx.Response(201, json={"Id": body["Name"]})
            case "POST", "networks", name, "connect":
                if body["Container"] in self.networks[name]["ends"]:
                    return httpx.Response(403, json={"message": "endpoint already exists in network"})
                self._join(name, body["Container"], body["EndpointConfig"])
                return httpx.Response(200)
            case "POST", "networks", name, "disconnect":
                self.networks[name]["ends"].pop(body["Container"])
                return httpx.Response(200)
            case "DELETE", "networks", name:
                assert not self.networks.pop(name)["ends"]
                return httpx.Response(204)
        return httpx.Response(404, json={"message": f"no such path: {request.method} {path}"})

    def _act(self, container: dict[str, Any], act: str) -> httpx.Response:
        self.done.append((act, container["Labels"]["com.docker.compose.service"]))
        state = container["State"]
        running = state["Running"]
        match act:
            case "kill" if not running:
                return httpx.Response(409, json={"message": "it is not running"})
            case "kill":
                self.on_kill(container)
            case "stop":
                self.end(container)
            case "start" if running:
                return httpx.Response(304)
            case "start":
                self.begin(container)
            case "pause":
                state["Status"] = "paused"
            case "unpause":
                state["Status"] = "running"
        return httpx.Response(204)

    def _listed(self, labels: list[str]) -> list[dict[str, Any]]:
        return [
            {
                **{key: container[key] for key in LISTED},
                "State": container["State"]["Status"],
                "NetworkSettings": self.inspect(container)["NetworkSettings"],
            }
            for container in self.containers.values()
            if all(_bears(container["Labels"], label) for label in labels)
        ]

    def _with(self, labels: list[str]) -> list[dict[str, Any]]:
        return [
            network for network in self.networks.values() if all(_bears(network["Labels"], label) for label in labels)
        ]


def _bears(labels: dict[str, str], wanted: str) -> bool:
    key, equals, value = wanted.partition("=")
    return key in labels and (not equals or labels[key] == value)
