"""
The target ``compose``: a running Docker Compose project, found and broken through the Docker engine's API.

Servers and nodes are asked at their addresses on the project's networks, which the engine's host reaches whether ports
are published or not; so a drill has to run there. Addresses change when a part starts or is reconnected, and are looked
up each time.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import httpx

from datchat.client.clock import boottime
from datchat.drills.targets import Ability, Part, TargetError, Usage, balancer, networks, redis
from datchat.drills.targets.door import CONNECT_S, Doors, Streams
from datchat.drills.targets.engine import Engine, Refused, engine
from datchat.drills.targets.project import (
    PORTS,
    PROJECT,
    Piece,
    descriptors,
    listens_on,
    memory,
    pieces,
    projects,
    published,
)
from datchat.errors import ConfigurationError

END_S: Final = 15.0
"""How long a killed container may take to be gone."""
LOOK_S: Final = 0.05
BEFORE_S: Final = 5.0
"""How far before its opening logs are read: clocks and what led there."""
PASSWORD: Final = (
    'p=${REDISCLI_AUTH:-${REDIS_PASSWORD:-}}; printf %s "${p:-$(cat "${REDIS_PASSWORD_FILE:-/dev/null}")}"'
)
"""What a server or sentinel was given as its password, in its own shell."""
PROGRAMS: Final = {
    "web": {"Dat Chat": ("datchat", "--version"), "Python": ("python", "-V")},
    "redis": {"Redis": ("redis-server", "--version")},
    "haproxy": {"HAProxy": ("haproxy", "-v")},
}
"""What is asked for its version, where."""


class ComposeProject:
    """A ``Target``: a project on an engine."""

    name = "compose"

    def __init__(self, docker: Engine, project: str) -> None:
        self.project = project
        self.versions: Mapping[str, str] = {}
        self.url = ""
        self._engine = docker
        self._since = time.time() - BEFORE_S
        self._ports: dict[str, int] = {}
        self._passwords: dict[str, str] = {}
        self._doors = Doors()
        self._downed: set[str] = set()

    @property
    def lacks(self) -> Mapping[Ability, str]:
        lacks = {
            Ability.CRASH: "an engine is one host",
            Ability.DRAIN: "an engine is one host",
            Ability.ROLL: "its parts are restarted one by one",
        }
        balancers = [name for name in self._ports if name.startswith("haproxy")]
        if len(balancers) != 1:
            lacks[Ability.BREAK_BALANCER] = f"the project has {len(balancers)}"
        return lacks

    async def open(self) -> None:
        """
        Undo what a killed drill left, and learn how the parts are reached.

        Raises:
            ConfigurationError: A part doesn't run, or can't be reached from here.
        """
        try:
            await self._open()
        except TargetError as error:
            raise ConfigurationError(str(error)) from error

    async def _open(self) -> None:
        await networks.heal(self._engine, self.project)
        found = await self._pieces()
        for piece in found:
            if piece.state != "running":
                raise ConfigurationError(f"{piece.name} is {piece.state}: start it first")
            inspected = await self._inspect(piece)
            self._ports[piece.name] = listens_on(piece.kind, inspected)
            if piece.kind == "haproxy" and not self.url:
                self.url = await self._front(piece, inspected)
        await asyncio.gather(*(self._prepare(piece) for piece in found))
        self.versions = await self._versions(found)

    async def _prepare(self, piece: Piece) -> None:
        """Learn a server's password, and see that the part can be asked."""
        if piece.kind in ("redis", "sentinel"):
            self._passwords[piece.name] = await self._engine.run_in(piece.container, "sh", "-c", PASSWORD)
            try:
                await redis.ask(self._place(piece), ["PING"])
            except redis.Silent as reason:
                raise ConfigurationError(f"{piece.name} can't be asked from here: {reason}. {HERE}") from reason
        if piece.kind == "web":
            try:
                async with asyncio.timeout(CONNECT_S):
                    _, writer = await asyncio.open_connection(self._address(piece), self._port(piece))
            except OSError as error:
                raise ConfigurationError(f"{piece.name} can't be reached from here. {HERE}") from error
            writer.close()

    async def _front(self, piece: Piece, inspected: Mapping[str, Any]) -> str:
        """Where people reach the load balancer: under its published port, else at its address, wherever that is."""
        port = published(inspected)
        return f"http://{self._engine.host}:{port}" if port is not None else await self.door(piece.name)

    async def _versions(self, found: Sequence[Piece]) -> dict[str, str]:
        known = await self._engine.ask("/version")
        versions = {"Docker": known["Version"], "Linux": known["KernelVersion"]}
        versions["processors"] = str((await self._engine.ask("/info"))["NCPU"])
        for kind, programs in PROGRAMS.items():
            piece = next(piece for piece in found if piece.kind == kind)
            for program, words in programs.items():
                try:
                    said = await self._engine.run_in(piece.container, *words)
                except Refused:
                    said = ""
                number = re.search(r"(?:v=|version |datchat |Python )(\d[\w.~+-]*)", said)
                versions[program] = number[1] if number else "unknown"
        return versions

    # What it is

    async def parts(self) -> Sequence[Part]:
        found = await self._pieces()
        roles = await asyncio.gather(*(self._role(piece) for piece in found))
        return [
            Part(piece.name, piece.kind, self._state(piece), role) for piece, role in zip(found, roles, strict=True)
        ]

    def _state(self, piece: Piece) -> str:
        told = piece.name in self._downed
        return "failed" if piece.state == "stopped" and not told else piece.state

    async def _role(self, piece: Piece) -> str | None:
        if piece.kind != "redis" or piece.state != "running" or not piece.addresses:
            return None
        return await redis.role_of(self._place(piece))

    async def door(self, node: str) -> str:
        return await self._doors.url(node, partial(self._way, node))

    async def _way(self, node: str) -> Streams:
        try:
            piece = await self._piece(node)
            return await asyncio.open_connection(self._address(piece), self._port(piece))
        except TargetError as error:
            raise OSError(str(error)) from error

    async def trouble(self) -> str | None:
        parts = await self.parts()
        for part in parts:
            if part.state != "running":
                return f"{part.name} is {part.state}"
        found = await self._pieces()
        if await networks.side_networks(self._engine, self.project):
            return "some parts are cut off"
        masters = [part.name for part in parts if part.role == "master"]
        if len(masters) != 1:
            return f"{len(masters)} servers are master"
        master = next(piece for piece in found if piece.name == masters[0])
        for piece in found:
            try:
                await self._check(piece, master, found)
            except TargetError as reason:
                return f"{piece.name}: {reason}"
        return None

    async def _check(self, piece: Piece, master: Piece, found: Sequence[Piece]) -> None:
        match piece.kind:
            case "redis":
                await redis.check_server(self._place(piece), sum(other.kind == "redis" for other in found) - 1)
            case "sentinel":
                await redis.check_sentinel(self._place(piece), {master.name, master.service, *master.addresses})
            case "web":
                await self._check_node(piece)
            case "haproxy":
                await balancer.check(self.url, sum(other.kind == "web" for other in found))

    async def _check_node(self, piece: Piece) -> None:
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=1.0) as client:
                answer = await client.get(f"http://{self._address(piece)}:{self._port(piece)}/readyz")
        except httpx.HTTPError:
            raise TargetError("/readyz does not answer") from None
        if answer.status_code != 200:
            raise TargetError(f"/readyz says {answer.text}")

    async def usage(self, part: str) -> Usage | None:
        piece = await self._piece(part)
        if piece.state not in ("running", "paused"):
            return None
        try:
            stats = await self._engine.ask(f"/containers/{piece.container}/stats", **{"stream": 0, "one-shot": 1})
            inspected = await self._inspect(piece)
        except Refused:  # it may have ended just now
            return None
        pid = inspected["State"]["Pid"]
        return Usage(pid, memory(stats), descriptors(inspected)) if pid else None

    async def log(self, part: str) -> str:
        return await self._engine.log((await self._piece(part)).container, self._since)

    # What is done to it

    async def kill(self, *parts: str) -> None:
        await self._down(self._kill, parts)

    async def stop(self, *parts: str) -> None:
        await self._down(self._stop, parts)

    async def start(self, *parts: str) -> None:
        await asyncio.gather(*(self._post(part, "start") for part in parts))
        self._downed.difference_update(parts)

    async def pause(self, *parts: str) -> None:
        await asyncio.gather(*(self._post(part, "pause") for part in parts))

    async def unpause(self, *parts: str) -> None:
        await asyncio.gather(*(self._post(part, "unpause") for part in parts))

    async def partition(self, *parts: str) -> None:
        containers = [(await self._piece(part)).container for part in parts]
        try:
            await networks.cut_off(self._engine, self.project, containers)
        except BaseException:
            await self.heal()
            raise
        await self._follow(containers)

    async def heal(self) -> None:
        await self._follow(await networks.heal(self._engine, self.project))

    async def switch_master(self) -> None:
        sentinel = next(piece for piece in await self._pieces() if piece.kind == "sentinel")
        await redis.switch_master(self._place(sentinel))

    async def cut_feeds(self) -> None:
        for piece in await self._pieces():
            if await self._role(piece) == "master":
                await redis.cut_feeds(self._place(piece))

    async def crash_host_of(self, part: str) -> None:
        raise TargetError(f"{part} is on the engine's own host, which is not to crash")

    async def restore_hosts(self) -> None:
        return

    async def drain_host_of(self, part: str) -> None:
        raise TargetError(f"{part} is on the engine's own host, which has no other to go to")

    async def readmit_hosts(self) -> None:
        return

    async def roll(self, kind: str) -> None:
        raise TargetError(f"nothing here rolls {kind}: its parts are restarted one by one")

    async def close(self) -> None:
        await self._doors.close()

    async def _down(self, end: Callable[[Piece], Awaitable[None]], parts: Sequence[str]) -> None:
        found = [await self._piece(part) for part in parts]
        self._downed.update(parts)
        await asyncio.gather(*(end(piece) for piece in found))

    async def _kill(self, piece: Piece) -> None:
        before = (await self._inspect(piece))["State"]
        try:
            await self._engine.do(f"/containers/{piece.container}/kill")
        except Refused as refusal:
            if refusal.status != 409:  # it has just ended
                raise
        deadline = boottime() + END_S
        while (now := (await self._inspect(piece))["State"])["Running"]:
            # A restart policy may have it back at once. That is another life: this one has ended.
            if now["StartedAt"] != before["StartedAt"]:
                return
            if boottime() > deadline:
                raise TargetError(f"{piece.name} still runs {END_S:g} s after it was killed")
            await asyncio.sleep(LOOK_S)

    async def _stop(self, piece: Piece) -> None:
        await self._engine.stop(piece.container)

    async def _post(self, part: str, act: str) -> None:
        await self._engine.do(f"/containers/{(await self._piece(part)).container}/{act}")

    async def _follow(self, containers: Collection[str]) -> None:
        """Cut those who came through a door to a container that has moved: they come again, to where it is."""
        moved = [piece.name for piece in await self._pieces() if piece.container in containers]
        await self._doors.cut(*moved)

    # Where things are

    async def _pieces(self) -> list[Piece]:
        return pieces(await self._engine.containers(f"{PROJECT}={self.project}"))

    async def _piece(self, name: str) -> Piece:
        for piece in await self._pieces():
            if piece.name == name:
                return piece
        raise TargetError(f"{name} is there no more")

    async def _inspect(self, piece: Piece) -> Any:
        return await self._engine.ask(f"/containers/{piece.container}/json")

    def _address(self, piece: Piece) -> str:
        if not piece.addresses:
            raise TargetError(f"{piece.name} is on no network")
        return piece.addresses[0]

    def _port(self, piece: Piece) -> int:
        return self._ports.get(piece.name, PORTS[piece.kind])

    def _place(self, piece: Piece) -> redis.Place:
        return redis.Place(self._address(piece), self._port(piece), self._passwords.get(piece.name, ""))


HERE: Final = "Run the drill on the engine's own host, or in a container with its network (docker run --network host)"


@asynccontextmanager
async def opened(project: str | None) -> AsyncIterator[ComposeProject]:
    """
    A project by its name; without one, the only one on the engine that is Dat Chat.

    Raises:
        ConfigurationError: There is no engine, no such project, or it can't be drilled; the sentence says why.
    """
    async with engine() as docker:
        try:
            found = ComposeProject(docker, choose(projects(await docker.containers(PROJECT)), project))
        except TargetError as error:
            raise ConfigurationError(str(error)) from error
        try:
            await found.open()
            yield found
        finally:
            await found.close()


def choose(known: Mapping[str, set[str]], wanted: str | None) -> str:
    """
    The project to drill, of those on an engine, each with the kinds of parts that it has.

    Raises:
        ConfigurationError: There is none; the sentence says which there are.
    """
    chats = sorted(name for name, kinds in known.items() if kinds >= PORTS.keys())
    if wanted is None:
        if len(chats) == 1:
            return chats[0]
        if chats:
            raise ConfigurationError(f"several projects are Dat Chat: say which with --project: {', '.join(chats)}")
        raise ConfigurationError("no Compose project on this engine is Dat Chat: start one with `docker-compose up -d`")
    if wanted not in known:
        there = f"there is {', '.join(sorted(known))}" if known else "there is none"
        raise ConfigurationError(f"no Compose project on this engine is named {wanted}: {there}")
    missing = [kind for kind in PORTS if kind not in known[wanted]]
    if missing:
        raise ConfigurationError(f"the project {wanted} is not Dat Chat: it has no service of kind {missing[0]}")
    return wanted
