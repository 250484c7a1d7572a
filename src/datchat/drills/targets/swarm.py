"""
The target ``swarm``: a stack that Docker Swarm runs, which brings back what is killed by itself.

A manager says what there is; what is done to a container is done by the engine of its host, which each has to be
reached. Parts are asked through their engines, since nothing but the load balancers is published.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from datchat.client.clock import boottime
from datchat.drills.targets import Ability, Part, TargetError, Usage, balancer, redis
from datchat.drills.targets.compose import PASSWORD
from datchat.drills.targets.door import Streams
from datchat.drills.targets.engine import SOCKET, Engine, Refused, engine
from datchat.drills.targets.entrance import by_node_port
from datchat.drills.targets.orchestrated import DRAIN_S, Orchestrated, until
from datchat.drills.targets.project import descriptors, memory
from datchat.drills.targets.tasks import (
    PORTS,
    SERVICE,
    STACK,
    TASK,
    Node,
    Service,
    Task,
    missing,
    nodes,
    services,
    tasks,
)
from datchat.drills.targets.tunnel import Console, tunnel
from datchat.errors import ConfigurationError

FRESH_S: Final = 0.3
"""For how long what a manager has listed is taken for true."""
END_S: Final = 30.0
ROLL_S: Final = 300.0
BEFORE_S: Final = 5.0
"""How far before its opening logs are read: clocks and what led there."""


class SwarmStack(Orchestrated):
    """A ``Target``: a stack."""

    name = "swarm"
    tool = "Swarm"
    not_made_for = MappingProxyType(
        {
            Ability.PAUSE: "Swarm replaces what does not answer its health check",
            Ability.BREAK_BALANCER: "each host has one, and people come in by any of them",
        }
    )

    def __init__(self, engines: Mapping[str, Engine], stack: str, crash: str | None, restore: str | None) -> None:
        super().__init__(crash, restore)
        self._engines = engines
        """By the names of their hosts."""
        self._stack = stack
        self._since = time.time() - BEFORE_S
        self._password = ""
        self._consoles: dict[str, Console] = {}
        self._seen: tuple[float, list[Service], dict[str, Node], list[Task]] | None = None

    async def open(self) -> None:
        """
        Find the way in, and what runs there.

        Raises:
            ConfigurationError: The stack is not there, is not whole, or an engine of its hosts was not named.
        """
        known, hosts, found = await self._look()
        kinds = {service.kind for service in known}
        if lacking := [kind for kind in PORTS if kind not in kinds]:
            raise ConfigurationError(f"the stack {self._stack} is not Dat Chat: it has no service of kind {lacking[0]}")
        if (reason := next(missing(found, known, hosts), None)) is not None:
            raise ConfigurationError(f"the stack {self._stack} is not whole: {reason}")
        for task in found:
            if task.host not in self._engines:
                raise ConfigurationError(
                    f"{task.name} is on {task.host}, whose engine is not known: say it with --engines, as in "
                    f"--engines {task.host}=tcp://{task.host}:2376"
                )
        server = next(task for task in found if task.service.kind == "redis")
        self._password = await self._engine(server).run_in(server.container, "sh", "-c", PASSWORD)
        port = next(service.published for service in known if service.kind == "haproxy")
        if port is None:
            raise ConfigurationError(f"the load balancers of the stack {self._stack} publish no port")
        self.url = await self._doors.url("the way in", by_node_port(self._entrances, port))
        await self._ask_versions(server)

    async def _ask_versions(self, server: Task) -> None:
        known = await self._engine(server).ask("/version")
        (said,) = await self._console(server).ask(["INFO", "server"])
        redis_version = said.partition("redis_version:")[2].split()[0]
        self.versions |= {"Docker": known["Version"], "Linux": known["KernelVersion"], "Redis": redis_version}

    # What it is

    async def parts(self) -> Sequence[Part]:
        _, _, found = await self._look()
        roles = await asyncio.gather(*(self._role(task) for task in found))
        return [
            Part(task.name, task.service.kind, task.state, role, task.host or None)
            for task, role in zip(found, roles, strict=True)
        ]

    async def _look(self) -> tuple[list[Service], dict[str, Node], list[Task]]:
        if self._seen is None or boottime() - self._seen[0] > FRESH_S:
            label = {"label": [f"{STACK}={self._stack}"]}
            known = services(await self._manager("/services", filters=label, status=1), self._stack)
            if not known:
                raise ConfigurationError(
                    f"there is no stack {self._stack} on this swarm: deploy it with `docker stack deploy`"
                )
            hosts = nodes(await self._manager("/nodes"))
            listed = await self._manager("/tasks", filters={**label, "desired-state": ["running", "ready"]})
            self._seen = boottime(), known, hosts, tasks(listed, known, hosts)
        return self._seen[1:]

    async def _manager(self, path: str, **query: object) -> Any:
        """What any manager answers that does: some may have crashed, others be without a majority for a moment."""
        reason: TargetError = TargetError("no engine of the swarm is known")
        for docker in self._living():
            try:
                return await docker.ask(path, **query)
            except TargetError as error:
                reason = error
        raise reason

    def _living(self) -> list[Engine]:
        return [docker for host, docker in self._engines.items() if host not in self._crashed]

    def _engine(self, task: Task) -> Engine:
        try:
            return self._engines[task.host]
        except KeyError:
            raise TargetError(f"{task.name} is on no host whose engine is known") from None

    async def _task(self, name: str) -> Task:
        for task in (await self._look())[2]:
            if task.name == name:
                return task
        raise TargetError(f"{name} is there no more")

    async def _of(self, kind: str) -> list[Task]:
        return [task for task in (await self._look())[2] if task.service.kind == kind and task.state == "running"]

    def _console(self, task: Task) -> Console:
        if task.container not in self._consoles:
            self._consoles[task.container] = Console(
                self._engine(task), task.container, PORTS[task.service.kind], self._password
            )
        return self._consoles[task.container]

    async def _role(self, task: Task) -> str | None:
        if task.service.kind != "redis" or task.state != "running" or task.host in self._crashed:
            return None
        return await redis.role_of(self._console(task))

    async def _entrances(self) -> list[str]:
        _, hosts, found = await self._look()
        at = {task.host for task in found if task.service.kind == "haproxy" and task.state == "running"}
        return [host.address for host in hosts.values() if host.name in at and host.name not in self._crashed]

    async def door(self, node: str) -> str:
        return await self._doors.url(node, partial(self._way, node))

    async def _way(self, node: str) -> Streams:
        try:
            task = await self._task(node)
            if task.state != "running":
                raise ConnectionError(f"{node} does not run")
            return await tunnel(self._engine(task), task.container, PORTS["web"])
        except TargetError as error:
            raise OSError(str(error)) from error

    async def usage(self, part: str) -> Usage | None:
        task = await self._task(part)
        if task.state != "running" or task.host in self._crashed:
            return None
        docker = self._engine(task)
        try:
            stats = await docker.ask(f"/containers/{task.container}/stats", **{"stream": 0, "one-shot": 1})
            inspected = await docker.ask(f"/containers/{task.container}/json")
        except TargetError:  # it may have ended just now
            return None
        pid = inspected["State"]["Pid"]
        return Usage(pid, memory(stats), descriptors(inspected)) if pid else None

    async def log(self, part: str) -> str:
        task = await self._task(part)
        told = f"{self._stack}_{task.service.name}"
        said: list[str] = []
        for docker in self._living():
            listed = await docker.containers(f"{SERVICE}={told}")
            own = [lived for lived in listed if lived["Labels"][TASK].startswith(f"{told}.{task.slot}.")]
            said += [await docker.log(lived["Id"], self._since) for lived in own]
        return "".join(said)

    async def trouble(self) -> str | None:
        try:
            known, hosts, found = await self._look()
            for host in hosts.values():
                if not host.ready:
                    return f"{host.name} is not ready"
            if (lacking := next(missing(found, known, hosts), None)) is not None:
                return lacking
            roles = {part.name: part.role for part in await self.parts()}
            masters = [name for name, role in roles.items() if role == "master"]
            if len(masters) != 1:
                return f"{len(masters)} servers are master"
            for reason in await asyncio.gather(*(self._ill(task, masters[0], found, hosts) for task in found)):
                if reason is not None:
                    return reason
        except TargetError as error:  # no manager answers: they have no leader for the moment
            return str(error)
        return None

    async def _ill(self, task: Task, master: str, found: Sequence[Task], hosts: Mapping[str, Node]) -> str | None:
        try:
            match task.service.kind:
                case "redis":
                    servers = sum(other.service.kind == "redis" for other in found)
                    await redis.check_server(self._console(task), servers - 1)
                case "sentinel":
                    await redis.check_sentinel(self._console(task), {master})
                case "haproxy":
                    address = next(host.address for host in hosts.values() if host.name == task.host)
                    wanted = sum(other.service.kind == "web" for other in found)
                    await balancer.check(f"http://{address}:{task.service.published}", wanted)
        except TargetError as reason:
            return f"{task.name}: {reason}"
        return None

    # What is done to it

    async def kill(self, *parts: str) -> None:
        await self._end(parts, lambda docker, container: docker.do(f"/containers/{container}/kill"))

    async def stop(self, *parts: str) -> None:
        await self._end(parts, lambda docker, container: docker.stop(container))

    async def _end(self, parts: Sequence[str], end: Callable[[Engine, str], Awaitable[object]]) -> None:
        found = [await self._task(part) for part in parts]

        async def ended(task: Task) -> None:
            docker = self._engine(task)
            try:
                await end(docker, task.container)
            except Refused as refusal:
                if refusal.status not in (404, 409):  # it has just ended
                    raise
            await until(partial(self._gone, docker, task.container), END_S, f"{task.name} still runs")

        await asyncio.gather(*(ended(task) for task in found))
        self._seen = None

    async def _gone(self, docker: Engine, container: str) -> bool:
        try:
            return not (await docker.ask(f"/containers/{container}/json"))["State"]["Running"]
        except Refused:
            return True

    async def switch_master(self) -> None:
        await redis.switch_master(self._console((await self._of("sentinel"))[0]))

    async def cut_feeds(self) -> None:
        for task in await self._of("redis"):
            if await self._role(task) == "master":
                await redis.cut_feeds(self._console(task))

    async def _host_of(self, part: str) -> str:
        return (await self._task(part)).host

    async def _drain(self, host: str) -> None:
        await self._make(host, "drain")

        async def drained() -> bool:
            listed = await self._engines[host].containers(f"{STACK}={self._stack}")
            return not any(container["State"] == "running" for container in listed)

        await until(drained, DRAIN_S, f"{host} was not drained")
        self._seen = None

    async def _readmit(self, host: str) -> None:
        await self._make(host, "active")

    async def _make(self, host: str, availability: str) -> None:
        """Have a host take tasks, or none."""
        (node,) = [node for node in await self._manager("/nodes") if node["Description"]["Hostname"] == host]
        spec = {**node["Spec"], "Availability": availability}
        docker = random.choice(self._living())
        await docker.do(f"/nodes/{node['ID']}/update", spec, version=node["Version"]["Index"])

    async def roll(self, kind: str) -> None:
        """Replicas first, the master last: one Redis server at a time, each after the one before is well."""
        known = [service for service in (await self._look())[0] if service.kind == kind]
        roles = {part.name: part.role for part in await self.parts()}
        for service in sorted(known, key=lambda service: roles.get(service.name) == "master"):
            before = {task.container for task in await self._of(kind) if task.service.id == service.id}
            await self._renew(service)
            await until(partial(self._renewed, service, before), ROLL_S, f"{service.name} was not rolled")

    async def _renew(self, service: Service) -> None:
        listed = await self._manager(f"/services/{service.id}")
        spec = listed["Spec"]
        template = {**spec["TaskTemplate"], "ForceUpdate": spec["TaskTemplate"].get("ForceUpdate", 0) + 1}
        wanted = {**spec, "TaskTemplate": template}
        docker = random.choice(self._living())
        await docker.do(f"/services/{service.id}/update", wanted, version=listed["Version"]["Index"])
        self._seen = None

    async def _renewed(self, service: Service, before: set[str]) -> bool:
        now = {task.container for task in await self._of(service.kind) if task.service.id == service.id}
        return not now & before and await self.trouble() is None

    async def close(self) -> None:
        await super().close()
        for console in self._consoles.values():
            console.close()
        self._consoles.clear()


def engine_places(text: str | None, environment: Mapping[str, str]) -> dict[str, str]:
    """
    Where the engines of the hosts are, by the hosts' names; one without a name where only one is known.

    Raises:
        ConfigurationError: The text is not of that form.
    """
    if not text:
        return {"": environment.get("DOCKER_HOST") or SOCKET}
    found = {}
    for pair in text.split(","):
        host, equals, place = pair.strip().partition("=")
        if not (host and equals and place):
            raise ConfigurationError(f"--engines: {pair.strip()!r} is not HOST=PLACE, as in node1=tcp://node1:2376")
        found[host] = place
    return found


@asynccontextmanager
async def opened(
    stack: str | None, places: str | None, crash: str | None, restore: str | None
) -> AsyncIterator[SwarmStack]:
    """
    A stack (``datchat``) of the swarm to which the engines belong.

    Raises:
        ConfigurationError: It is not there or not whole, or an engine can't be asked; the sentence says why.
    """
    async with AsyncExitStack() as open_engines:
        engines = {}
        for host, place in engine_places(places, os.environ).items():
            docker = await open_engines.enter_async_context(engine({**os.environ, "DOCKER_HOST": place}))
            engines[host or (await docker.ask("/info"))["Name"]] = docker
        found = SwarmStack(engines, stack or "datchat", crash, restore)
        try:
            try:
                await found.open()
            except TargetError as error:
                raise ConfigurationError(f"the stack can't be drilled: {error}") from error
            yield found
        finally:
            await found.close()
