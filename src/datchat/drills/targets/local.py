"""The local target: a cluster that ``datchat up`` runs on this machine, a running one or one of the drill's own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Final

from datchat import __version__
from datchat.cluster import probes
from datchat.cluster.control import Request, command
from datchat.cluster.files import LOG
from datchat.cluster.kernel import WithinNetwork, die_with_parent
from datchat.cluster.parts import MASTER_NAME, Kind, Plan, load_plan
from datchat.cluster.parts import Part as PlannedPart
from datchat.cluster.recipes import search_path
from datchat.drills.targets import Ability, Part, TargetError, Usage, clocks
from datchat.drills.targets.door import Doors, Streams
from datchat.drills.targets.localharms import LocalHarms
from datchat.errors import ConfigurationError

UP_S: Final = 120.0
"""How long a cluster may take to be up, on a machine that has other things to do."""
DOWN_S: Final = 60.0
_UP: Final = re.compile(r"Dat Chat runs at (\S+)")


class LocalCluster:
    """A ``Target``: the cluster that runs in a directory."""

    name = "local"

    def __init__(self, directory: Path, plan: Plan) -> None:
        self.directory = directory
        self.versions = versions()
        self._plan = plan
        self._doors = Doors()
        self._networks: dict[str, int] = {}
        self.harms = LocalHarms(plan, self._networks, self._pid_of, self._subscribers)

    @property
    def url(self) -> str:
        return self._plan.url

    @property
    def lacks(self) -> Mapping[Ability, str]:
        lacks = {
            Ability.CRASH: "all of it is on this machine",
            Ability.DRAIN: "all of it is on this machine",
            Ability.ROLL: "its parts are restarted one by one",
        }
        return lacks if self._in_networks else {**lacks, Ability.CUT: "run it as root"}

    @property
    def _in_networks(self) -> bool:
        return self._plan.network == "namespaces"

    async def parts(self) -> Sequence[Part]:
        listing = (await self._do("ps"))["parts"]
        return [Part(part["name"], part["kind"], part["state"], part["role"]) for part in listing]

    async def open(self) -> None:
        """
        Note where the parts are, all of which have to run.

        Raises:
            TargetError: One doesn't.
        """
        for part in (await self._do("ps"))["parts"]:
            if part["pid"] is None:
                raise TargetError(f"{part['name']} does not run: start it first")
            if self._in_networks and part["kind"] != Kind.HAPROXY:
                self._networks[part["name"]] = os.open(f"/proc/{part['pid']}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            clock = clocks.clock_of(part["pid"], self.directory / part["name"])
            if clock is not None:
                self.harms.clocks[part["name"]] = clock

    async def door(self, node: str) -> str:
        return await self._doors.url(node, partial(self._way, self._plan.part(node)))

    async def _way(self, node: PlannedPart) -> Streams:
        with self._within(node.name):
            # A socket stays in the network in which it was made, wherever the thread goes after.
            connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(connection, (node.host, node.port))
            return await asyncio.open_connection(sock=connection)
        except BaseException:
            connection.close()
            raise

    async def trouble(self) -> str | None:
        answer = await self._do("ps")
        for part in answer["parts"]:
            if part["state"] != "running":
                return f"{part['name']} is {part['state']}"
        if answer["cuts"]:
            return f"{', '.join(answer['cuts'][0])}: cut off"
        masters = [part for part in answer["parts"] if part["role"] == "master"]
        if len(masters) != 1:
            return f"{len(masters)} servers are master"
        for planned in self._plan.parts:
            try:
                await self._check(planned, masters[0])
            except probes.Silent as reason:
                return f"{planned.name}: {reason}"
        return None

    async def usage(self, part: str) -> Usage | None:
        pid = await self._pid(part)
        return None if pid is None else _usage(pid)

    async def log(self, part: str) -> str:
        with contextlib.suppress(OSError):
            return await asyncio.to_thread((self.directory / part / LOG).read_text, errors="replace")
        return ""

    async def kill(self, *parts: str) -> None:
        await self._do("kill", *parts)

    async def stop(self, *parts: str) -> None:
        await self._do("stop", *parts)

    async def start(self, *parts: str) -> None:
        await self._do("start", *parts)

    async def pause(self, *parts: str) -> None:
        await self._do("pause", *parts)

    async def unpause(self, *parts: str) -> None:
        await self._do("unpause", *parts)

    async def partition(self, *parts: str) -> None:
        await self._do("partition", *parts)

    async def heal(self) -> None:
        await self._do("heal")

    async def switch_master(self) -> None:
        await self._ask(self._plan.of(Kind.SENTINEL)[0], "SENTINEL", "FAILOVER", MASTER_NAME)

    async def cut_feeds(self) -> None:
        for part in await self.parts():
            if part.role == "master":
                await self._ask(self._plan.part(part.name), "CLIENT", "KILL", "TYPE", "pubsub")

    async def crash_host_of(self, part: str) -> None:
        raise TargetError(f"{part} is on this machine, which is not to crash")

    async def restore_hosts(self) -> None:
        return

    async def drain_host_of(self, part: str) -> None:
        raise TargetError(f"{part} is on this machine, which has no other to go to")

    async def readmit_hosts(self) -> None:
        return

    async def roll(self, kind: str) -> None:
        raise TargetError(f"nothing here rolls {kind}: its parts are restarted one by one")

    async def close(self) -> None:
        await self._doors.close()
        for descriptor in self._networks.values():
            os.close(descriptor)
        self._networks.clear()

    async def _pid(self, name: str) -> int | None:
        return {part["name"]: part["pid"] for part in (await self._do("ps"))["parts"]}.get(name)

    async def _pid_of(self, name: str) -> int:
        pid = await self._pid(name)
        if pid is None:
            raise TargetError(f"{name} does not run")
        return pid

    async def _subscribers(self) -> list[tuple[str, int, str, int]]:
        found = []
        for server in [self._plan.part(part.name) for part in await self.parts() if part.role == "master"]:
            listed = str(await self._ask(server, "CLIENT", "LIST", "TYPE", "pubsub"))
            for host, port in re.findall(r" addr=(\S+):(\d+) ", listed):
                found.append((server.host, server.port, host, int(port)))
        return found

    async def _do(self, act: str, *parts: str) -> Any:
        request = Request(act, list(parts))
        try:
            return await asyncio.to_thread(command, self.directory, request, lambda line: None)
        except ConfigurationError as error:
            raise TargetError(str(error)) from error

    async def _ask(self, part: PlannedPart, *words: str) -> Any:
        try:
            return await probes.ask_redis(part, self._within(part.name), *words)
        except probes.Silent as reason:
            raise TargetError(f"{part.name}: {reason}") from reason

    def _within(self, part: str) -> AbstractContextManager[None]:
        descriptor = self._networks.get(part)
        return nullcontext() if descriptor is None else WithinNetwork(descriptor)

    async def _check(self, part: PlannedPart, master: Mapping[str, Any]) -> None:
        network = self._within(part.name)
        match part.kind:
            case Kind.REDIS:
                await probes.check_redis(part, network, len(self._plan.of(Kind.REDIS)) - 1)
            case Kind.SENTINEL:
                await probes.check_sentinel(part, network)
                named = await probes.ask_redis(part, network, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER_NAME)
                if named != [master["host"], str(master["port"])]:
                    raise probes.Silent(f"it takes {named} for the master")
            case Kind.WEB:
                await probes.check_web(part, network)
            case Kind.HAPROXY:
                await probes.check_haproxy(self.directory / part.name, [node.name for node in self._plan.of(Kind.WEB)])


def _usage(pid: int) -> Usage | None:
    with contextlib.suppress(OSError):  # it may have ended just now
        status = Path(f"/proc/{pid}/status").read_text()
        resident = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
        if resident is not None:
            return Usage(pid, int(resident[1]) * 1024, len(os.listdir(f"/proc/{pid}/fd")))
    return None


@asynccontextmanager
async def attached(directory: Path) -> AsyncIterator[LocalCluster]:
    """
    The cluster that runs in a directory.

    Raises:
        ConfigurationError: None does, or a part of it doesn't.
    """
    plan = load_plan(directory)
    if plan is None:
        raise ConfigurationError(f"there is no cluster in {directory}: start one with `datchat up --dir {directory}`")
    cluster = LocalCluster(directory, plan)
    try:
        try:
            await cluster.open()
        except TargetError as error:
            raise ConfigurationError(str(error)) from error
        yield cluster
    finally:
        await cluster.close()


@asynccontextmanager
async def fresh(variables: Mapping[str, str], *options: str) -> AsyncIterator[LocalCluster]:
    """
    A cluster of one's own, which ends with this process however it ends. ``variables`` reach its nodes; ``options`` are
    those of ``datchat up``.

    Raises:
        ConfigurationError: It can't be brought up.
    """
    folder = Path(tempfile.mkdtemp(prefix="datchat-drill-"))
    directory = folder / "cluster"
    words = [sys.executable, "-m", "datchat", "up", "--dir", str(directory), "--port", "0", *options]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DATCHAT_")}
    process = await asyncio.create_subprocess_exec(
        *words,
        env={**clean, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=partial(die_with_parent, os.getpid()),
        start_new_session=True,
    )
    draining: list[asyncio.Task[None]] = []
    try:
        await _until_up(process)
        # What the parts say is in their logs; here it has to go somewhere, or the cluster's speaker would block.
        draining += [asyncio.create_task(_drain(stream)) for stream in (process.stdout, process.stderr) if stream]
        async with attached(directory) as cluster:
            yield cluster
    finally:
        await _end(process, directory)
        await asyncio.gather(*draining)
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _until_up(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(UP_S):
            while line := await process.stdout.readline():
                if _UP.match(line.decode(errors="replace")):
                    return
            said = (await process.stderr.read()).decode(errors="replace").strip()
    except TimeoutError:
        raise ConfigurationError(f"the cluster was not up within {UP_S:g} s") from None
    last = said.splitlines()[-1].removeprefix("datchat: ") if said else "it said nothing"
    raise ConfigurationError(f"the cluster can't be brought up: {last}")


async def _end(process: asyncio.subprocess.Process, directory: Path) -> None:
    """Take the cluster down in order; at once when it doesn't go."""
    try:
        async with asyncio.timeout(DOWN_S):
            if process.returncode is None:
                # In a thread that is not waited for if it hangs: the end of the process ends it.
                await asyncio.to_thread(command, directory, Request("down"), lambda line: None)
            await process.wait()
    except (ConfigurationError, TimeoutError):
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.read(65536):
        pass


def versions() -> dict[str, str]:
    """What a local cluster runs, by the programs' own words."""
    found = {"Dat Chat": __version__, "Python": platform.python_version(), "Linux": platform.release()}
    for name, words in {"Redis": ["redis-server", "--version"], "HAProxy": ["haproxy", "-v"]}.items():
        path = shutil.which(words[0], path=search_path())
        if path is not None:
            said = subprocess.run([path, *words[1:]], capture_output=True, text=True, timeout=10, check=False).stdout
            number = re.search(r"(?:v=|version )(\d[\w.~+-]*)", said)
            found[name] = number[1] if number else "unknown"
    found["processors"] = str(os.cpu_count())
    return found
