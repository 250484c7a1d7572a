"""
The target ``nomad``: a job that Nomad runs, which brings back what is killed by itself.

Parts share their hosts' network and are asked there; so a drill runs where the hosts are reached.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import httpx

from datchat.client.clock import boottime
from datchat.drills.targets import Ability, Part, TargetError, Usage, balancer, redis
from datchat.drills.targets.allocations import LABELS, Allocation, allocations, groups, missing, place
from datchat.drills.targets.door import Streams
from datchat.drills.targets.entrance import by_node_port
from datchat.drills.targets.orchestrated import DRAIN_S, Orchestrated, until, usage_by_metrics
from datchat.drills.targets.project import kind_of
from datchat.errors import ConfigurationError

ADDRESS: Final = "http://127.0.0.1:4646"
"""Where Nomad is unless ``NOMAD_ADDR`` says otherwise."""
LIMIT_S: Final = 20.0
"""How long Nomad may take to answer."""
ANSWER_S: Final = 2.0
"""How long a node may take to answer a question about itself."""
FRESH_S: Final = 0.3
"""For how long what Nomad has listed is taken for true."""
END_S: Final = 60.0
ROLL_S: Final = 300.0


class NomadJob(Orchestrated):
    """A ``Target``: a job. Its parts are allocations."""

    name = "nomad"
    tool = "Nomad"
    not_made_for = MappingProxyType(
        {
            Ability.PAUSE: "Nomad replaces what does not answer its checks",
            Ability.BREAK_BALANCER: "several hosts have one, and people come in by any of them",
        }
    )

    def __init__(self, http: httpx.AsyncClient, job: str, crash: str | None, restore: str | None) -> None:
        super().__init__(crash, restore)
        self._http = http
        self._job = job
        self._password = ""
        self._places: dict[str, tuple[str, int]] = {}
        self._seen: tuple[float, list[Allocation]] | None = None
        self._near = httpx.AsyncClient(timeout=ANSWER_S, trust_env=False)

    async def open(self) -> None:
        """
        Find the way in, and what runs there.

        Raises:
            ConfigurationError: The job is not there, or not whole.
        """
        wanted = groups(await self._definition())
        found = await self._look()
        kinds = {kind_of(group) for group in wanted}
        if lacking := [kind for kind in LABELS if kind not in kinds]:
            raise ConfigurationError(f"the job {self._job} is not Dat Chat: it has no group of kind {lacking[0]}")
        if (reason := next(missing(found, wanted), None)) is not None:
            raise ConfigurationError(f"the job {self._job} is not whole: {reason}")
        self._password = await self._secret()
        balancers = [allocation for allocation in found if allocation.kind == "haproxy"]
        _, port = await self._place(balancers[0])
        self.url = await self._doors.url("the way in", by_node_port(self._entrances, port))
        server = next(allocation for allocation in found if allocation.kind == "redis")
        (said,) = await redis.ask(await self._server(server), ["INFO", "server"])
        self.versions["Nomad"] = (await self._ask("/v1/agent/self"))["config"]["Version"]["Version"]
        self.versions["Redis"] = said.partition("redis_version:")[2].split()[0]

    async def _secret(self) -> str:
        if (given := os.environ.get("REDIS_PASSWORD")) is not None:
            return given
        try:
            variable = await self._ask(f"/v1/var/nomad/jobs/{self._job}")
            return str(variable["Items"]["redis_password"])
        except (TargetError, KeyError) as error:
            raise ConfigurationError(
                f"the variable nomad/jobs/{self._job} may not be read, or has no redis_password: set REDIS_PASSWORD"
            ) from error

    # What Nomad says

    async def _ask(self, path: str, **query: str) -> Any:
        return (await self._call("GET", path, query)).json()

    async def _do(self, path: str, body: object = None) -> Any:
        answer = await self._call("POST", path, {}, body)
        return answer.json() if answer.content else None

    async def _call(self, method: str, path: str, query: Mapping[str, str], body: object = None) -> httpx.Response:
        try:
            answer = await self._http.request(method, path, params=dict(query), json=body)
        except httpx.HTTPError as error:
            raise TargetError(f"Nomad can't be asked: {error or type(error).__name__}") from error
        if answer.is_error:
            raise TargetError(f"Nomad says: {answer.text.strip() or answer.status_code}")
        return answer

    async def _definition(self) -> Any:
        try:
            return await self._ask(f"/v1/job/{self._job}")
        except TargetError as error:
            if "not found" in str(error):
                raise ConfigurationError(
                    f"there is no job {self._job}: run deploy/nomad/datchat.nomad.hcl, or say --job"
                ) from error
            raise

    async def _look(self) -> list[Allocation]:
        if self._seen is None or boottime() - self._seen[0] > FRESH_S:
            self._seen = boottime(), allocations(await self._ask(f"/v1/job/{self._job}/allocations"))
        return self._seen[1]

    async def _allocation(self, name: str) -> Allocation:
        for allocation in await self._look():
            if allocation.name == name:
                return allocation
        raise TargetError(f"{name} is there no more")

    async def _of(self, kind: str) -> list[Allocation]:
        return [a for a in await self._look() if a.kind == kind and a.state == "running"]

    async def _place(self, allocation: Allocation) -> tuple[str, int]:
        if allocation.id not in self._places:
            said = await self._ask(f"/v1/allocation/{allocation.id}")
            try:
                self._places[allocation.id] = place(said, allocation.kind)
            except KeyError as error:
                raise TargetError(f"{allocation.name} has no port {error.args[0]}") from error
        return self._places[allocation.id]

    async def _server(self, allocation: Allocation) -> redis.Place:
        return redis.Place(*await self._place(allocation), self._password)

    # What it is

    async def parts(self) -> Sequence[Part]:
        found = await self._look()
        roles = await asyncio.gather(*(self._role(allocation) for allocation in found))
        return [Part(a.name, a.kind, a.state, role, a.host) for a, role in zip(found, roles, strict=True)]

    async def _role(self, allocation: Allocation) -> str | None:
        if allocation.kind != "redis" or allocation.state != "running" or allocation.host in self._crashed:
            return None
        return await redis.role_of(await self._server(allocation))

    async def _entrances(self) -> list[str]:
        found = [a for a in await self._of("haproxy") if a.host not in self._crashed]
        return [(await self._place(allocation))[0] for allocation in found]

    async def door(self, node: str) -> str:
        return await self._doors.url(node, partial(self._way, node))

    async def _way(self, node: str) -> Streams:
        try:
            return await asyncio.open_connection(*await self._place(await self._allocation(node)))
        except TargetError as error:
            raise OSError(str(error)) from error

    async def usage(self, part: str) -> Usage | None:
        try:
            host, port = await self._place(await self._allocation(part))
        except TargetError:
            return None
        return await usage_by_metrics(self._near, host, port)

    async def log(self, part: str) -> str:
        allocation = await self._allocation(part)
        said = []
        for stream in ("stdout", "stderr"):
            query = {"task": allocation.task, "type": stream, "plain": "true", "origin": "start"}
            try:
                said.append((await self._call("GET", f"/v1/client/fs/logs/{allocation.id}", query)).text)
            except TargetError:  # nothing was said, or the host is away, and what it kept with it
                continue
        return "".join(said)

    async def trouble(self) -> str | None:
        try:
            for node in await self._ask("/v1/nodes"):
                if node["Status"] != "ready":
                    return f"{node['Name']} is {node['Status']}"
            deployment = await self._ask(f"/v1/job/{self._job}/deployment")
            if deployment is not None and deployment["Status"] in ("running", "pending", "unblocking"):
                return f"a deployment is {deployment['Status']}"
            found = await self._look()
            if (lacking := next(missing(found, groups(await self._definition())), None)) is not None:
                return lacking
            roles = await asyncio.gather(*(self._role(allocation) for allocation in found))
            masters = [a for a, role in zip(found, roles, strict=True) if role == "master"]
            if len(masters) != 1:
                return f"{len(masters)} servers are master"
            answers = await asyncio.gather(*(self._ill(allocation, masters[0], found) for allocation in found))
        except TargetError as error:
            return str(error)
        return next((answer for answer in answers if answer is not None), None)

    async def _ill(self, allocation: Allocation, master: Allocation, found: Sequence[Allocation]) -> str | None:
        try:
            host, port = await self._place(allocation)
            match allocation.kind:
                case "redis":
                    await redis.check_server(await self._server(allocation), sum(a.kind == "redis" for a in found) - 1)
                case "sentinel":
                    # The sentinels want no password.
                    await redis.check_sentinel(redis.Place(host, port), {(await self._place(master))[0]})
                case "web":
                    answer = await self._near.get(f"http://{host}:{port}/readyz")
                    return None if answer.status_code == 200 else f"{allocation.name}: /readyz says {answer.text}"
                case "haproxy":
                    await balancer.check(f"http://{host}:{port}", sum(a.kind == "web" for a in found))
        except (TargetError, httpx.HTTPError) as reason:
            return f"{allocation.name}: {reason}"
        return None

    # What is done to it

    async def kill(self, *parts: str) -> None:
        for allocation in [await self._allocation(part) for part in parts]:
            body = {"Signal": "SIGKILL", "TaskName": allocation.task}
            await self._do(f"/v1/client/allocation/{allocation.id}/signal", body)
        self._seen = None

    async def stop(self, *parts: str) -> None:
        found = [await self._allocation(part) for part in parts]
        for allocation in found:
            await self._do(f"/v1/allocation/{allocation.id}/stop")
        for allocation in found:
            await until(partial(self._ended, allocation), END_S, f"{allocation.name} still runs")

    async def _ended(self, allocation: Allocation) -> bool:
        self._seen = None
        status = (await self._ask(f"/v1/allocation/{allocation.id}"))["ClientStatus"]
        return status not in ("running", "pending")

    async def switch_master(self) -> None:
        host, port = await self._place((await self._of("sentinel"))[0])
        await redis.switch_master(redis.Place(host, port))

    async def cut_feeds(self) -> None:
        for allocation in await self._of("redis"):
            if await self._role(allocation) == "master":
                await redis.cut_feeds(await self._server(allocation))

    async def _host_of(self, part: str) -> str:
        return (await self._allocation(part)).host

    async def _drain(self, host: str) -> None:
        node = await self._node(host)
        spec = {"Deadline": int(DRAIN_S * 1e9), "IgnoreSystemJobs": False}
        await self._do(f"/v1/node/{node}/drain", {"DrainSpec": spec})

        async def drained() -> bool:
            return (await self._ask(f"/v1/node/{node}"))["DrainStrategy"] is None

        await until(drained, DRAIN_S + LIMIT_S, f"{host} was not drained")
        self._seen = None

    async def _readmit(self, host: str) -> None:
        await self._do(f"/v1/node/{await self._node(host)}/drain", {"DrainSpec": None, "MarkEligible": True})

    async def _node(self, host: str) -> str:
        """The number of the client on a host."""
        found = {node["Name"]: str(node["ID"]) for node in await self._ask("/v1/nodes")}
        if host not in found:
            raise TargetError(f"Nomad knows no client {host}")
        return found[host]

    async def roll(self, kind: str) -> None:
        """Nodes by a deployment of the job; Redis servers one at a time, the master last, each after all is well."""
        if kind == "web":
            await self._deploy(kind)
            return
        roles = {part.name: part.role for part in await self.parts()}
        for allocation in sorted(await self._of(kind), key=lambda a: roles.get(a.name) == "master"):
            await self.stop(allocation.name)
            await until(self._well, ROLL_S, f"{allocation.name} was not rolled")

    async def _deploy(self, group: str) -> None:
        job = await self._definition()
        for one in job["TaskGroups"]:
            if one["Name"] == group:
                one["Meta"] = {**(one.get("Meta") or {}), "rolled": str(time.time_ns())}
        await self._do("/v1/jobs", {"Job": job})
        await until(partial(self._deployed, job["Version"] + 1), ROLL_S, f"{group} was not rolled")

    async def _deployed(self, version: int) -> bool:
        self._seen = None
        deployment = await self._ask(f"/v1/job/{self._job}/deployment")
        if deployment is None or deployment["JobVersion"] < version:
            return False
        if deployment["Status"] in ("failed", "cancelled"):
            raise TargetError(f"the deployment {deployment['Status']}: {deployment['StatusDescription']}")
        return bool(deployment["Status"] == "successful")

    async def _well(self) -> bool:
        return await self.trouble() is None

    async def close(self) -> None:
        await super().close()
        await self._near.aclose()


@asynccontextmanager
async def opened(job: str | None, crash: str | None, restore: str | None) -> AsyncIterator[NomadJob]:
    """
    A job (``datchat``) of the Nomad that ``NOMAD_ADDR`` names; ``NOMAD_TOKEN`` and ``NOMAD_CACERT`` are honoured.

    Raises:
        ConfigurationError: It is not there or not whole, or Nomad can't be asked; the sentence says why.
    """
    address = os.environ.get("NOMAD_ADDR") or ADDRESS
    headers = {"X-Nomad-Token": token} if (token := os.environ.get("NOMAD_TOKEN")) else {}
    trust = ssl.create_default_context(cafile=os.environ.get("NOMAD_CACERT"))
    async with httpx.AsyncClient(
        base_url=address, headers=headers, timeout=LIMIT_S, trust_env=False, verify=trust
    ) as http:
        try:
            await http.get("/v1/status/leader")
        except httpx.HTTPError as error:
            raise ConfigurationError(f"no Nomad answers at {address}: say where it is with NOMAD_ADDR") from error
        found = NomadJob(http, job or "datchat", crash, restore)
        try:
            try:
                await found.open()
            except TargetError as error:
                raise ConfigurationError(f"the job can't be drilled: {error}") from error
            yield found
        finally:
            await found.close()
