"""Two hosts with HAProxy and keepalived before the nodes of a whole cluster, and what may befall them."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from pathlib import Path

import msgspec
import pytest

from datchat.cluster.files import haproxy_cfg, write_files
from datchat.cluster.layout import lay_out
from datchat.cluster.listener import listen
from datchat.cluster.network import Namespaces
from datchat.cluster.parts import Kind, Plan
from datchat.cluster.probes import Silent, check_haproxy
from datchat.cluster.process import Process
from datchat.cluster.recipes import ERRORS, Recipe, search_path
from datchat.cluster.supervisor import Supervisor
from datchat.cluster.wish import Wish
from support.clusters import WEB
from support.eventually import eventually

KEEPALIVED = Path(__file__).parents[2] / "deploy" / "keepalived"
SCRIPT_USER = "daemon"
"""An unprivileged user that every Debian has."""
PORT = 8081
SETTLE_S = 30.0

needs_keepalived = pytest.mark.skipif(
    not os.environ.get("CI") and shutil.which("keepalived", path=search_path()) is None, reason="keepalived is missing"
)


class Host:
    """A host of a load balancer: HAProxy and keepalived in a network namespace with an address of its own."""

    def __init__(self, name: str, network: Namespaces, folder: Path, shared: str) -> None:
        self.name = name
        self.address, _ = network.lodge(name, PORT)
        self.folder = folder / name
        self.folder.mkdir()
        self._network = network
        self._shared = shared
        self._haproxy: Process | None = None
        self._balancer: Process | None = None
        self._environment = {**os.environ, "PATH": search_path()}
        self._settings: dict[str, str] = {}

    def start_haproxy(self, configuration: str) -> None:
        (self.folder / "haproxy.cfg").write_text(configuration)
        settings = {"DATCHAT_BIND": f"*:{PORT}", "DATCHAT_ADMIN": "unix@admin.sock"}
        recipe = Recipe(["haproxy", "-db", "-f", "haproxy.cfg"], {**self._environment, **settings}, ERRORS)
        self._haproxy = Process(recipe, self.folder, self.folder / "haproxy.log", self._within())

    def start_balancer(self, peer: str, witnesses: list[str]) -> None:
        self._settings = {
            **self._environment,
            "ADDRESS": f"{self._shared}/24",
            "PEER": peer,
            "WITNESSES": " ".join(witnesses),
            "SCRIPT_USER": SCRIPT_USER,
            "TMPDIR": "/tmp",
        }
        recipe = Recipe(["/bin/bash", str(KEEPALIVED / "balancer")], self._settings)
        (self.folder / "keepalived").mkdir(exist_ok=True)
        self._balancer = Process(recipe, self.folder / "keepalived", self.log, self._within())

    def release(self) -> None:
        """What the service manager does when the keeper of keepalived has ended."""
        command = ["/bin/bash", str(KEEPALIVED / "balancer"), "release"]
        with self._within():
            subprocess.run(command, check=True, env=self._settings, stdout=subprocess.DEVNULL)

    @property
    def log(self) -> Path:
        """What keepalived and its keeper say."""
        return self.folder / "balancer.log"

    @property
    def haproxy(self) -> Process:
        assert self._haproxy is not None
        return self._haproxy

    @property
    def balancer(self) -> Process:
        assert self._balancer is not None
        return self._balancer

    def holds(self) -> bool:
        """Whether the host has the shared address: only an address that one has can be bound."""
        with self._within(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((self._shared, 0))
            except OSError as error:
                if error.errno != errno.EADDRNOTAVAIL:
                    raise
                return False
        return True

    def keepaliveds(self) -> list[int]:
        """The processes of keepalived, without the scripts that it runs."""
        found, waiting = [], [self.balancer.pid]
        while waiting:
            for child in _children(waiting.pop()):
                if _name(child) == "keepalived":
                    found.append(child)
                    waiting.append(child)
        return found

    def signal_keepalived(self, number: signal.Signals) -> None:
        for pid in self.keepaliveds():
            os.kill(pid, number)

    def set_link(self, state: str) -> None:
        """``down`` is a cable that is pulled; ``up`` puts it back."""
        with self._within():
            subprocess.run(["ip", "link", "set", "eth0", state], check=True, env=self._environment)

    def lose(self, addresses: list[str]) -> None:
        """Reach these no more, though they are there; ``find`` undoes it."""
        self._routes("add", addresses)

    def find(self, addresses: list[str]) -> None:
        self._routes("del", addresses)

    def _routes(self, verb: str, addresses: list[str]) -> None:
        with self._within():
            for address in addresses:
                subprocess.run(["ip", "route", verb, "blackhole", address], check=True, env=self._environment)

    def stands_by(self) -> bool:
        """Whether keepalived waits here for the other to be silent."""
        states = [line for line in self.log.read_text().splitlines() if " Entering " in line]
        return bool(states) and "Entering BACKUP STATE" in states[-1] and "(init)" not in states[-1]

    async def sees_the_nodes(self) -> bool:
        with suppress(Silent):
            await check_haproxy(self.folder, WEB)
            return True
        return False

    async def end(self) -> None:
        for process in (self._balancer, self._haproxy):
            if process is not None:
                process.signal(signal.SIGCONT)
                process.signal(signal.SIGTERM)
                if not await process.wait(5):
                    process.signal(signal.SIGKILL)
                    await process.ended

    def _within(self) -> AbstractContextManager[None]:
        return self._network.within(self.name)


class Pair:
    """Two such hosts, the address that they share, and the cluster behind them. This machine is the clients' host."""

    def __init__(self, network: Namespaces, plan: Plan, folder: Path) -> None:
        self.network = network
        self.plan = plan
        net, _, _ = plan.part(WEB[0]).host.rpartition(".")
        self.shared = f"{net}.250"
        self.url = f"http://{self.shared}:{PORT}"
        self.hosts = [Host(name, network, folder, self.shared) for name in ("balancer0", "balancer1")]

    async def start(self) -> None:
        for host in self.hosts:
            host.start_haproxy(haproxy_cfg(self.plan))
            self.start_balancer(host)
        await self.whole()

    def start_balancer(self, host: Host) -> None:
        host.start_balancer(self.other(host).address, [part.address for part in self.plan.of(Kind.WEB)])

    def holders(self) -> list[Host]:
        return [host for host in self.hosts if host.holds()]

    def holder(self) -> Host:
        (holder,) = self.holders()
        return holder

    def other(self, host: Host) -> Host:
        return self.hosts[1 - self.hosts.index(host)]

    def settled(self) -> bool:
        """Whether one host holds the address and the other stands by."""
        holders = self.holders()
        return len(holders) == 1 and self.other(holders[0]).stands_by()

    async def whole(self) -> None:
        """Wait until one host holds the address, the other stands by, and both see the nodes."""
        await eventually(self.settled, SETTLE_S, self.describe)
        for host in self.hosts:
            while not await host.sees_the_nodes():
                await asyncio.sleep(0.05)

    def describe(self) -> str:
        """What both say."""
        said = [f"{host.name}, holds: {host.holds()}\n{host.log.read_text()[-3000:]}" for host in self.hosts]
        return "\n".join(said)

    async def end(self) -> None:
        await asyncio.gather(*(host.end() for host in self.hosts))


@asynccontextmanager
async def pair(folder: Path) -> AsyncIterator[Pair]:
    """A cluster with two balancer hosts before it."""
    folder.mkdir(exist_ok=True)
    listener = listen("127.0.0.1", 0)
    network = Namespaces()
    try:
        plan = lay_out(Wish(directory=folder), network, listener.getsockname()[1], None)
        made = Pair(network, plan, folder)
        trusted = ",".join([plan.balancer_host, *(host.address for host in made.hosts)])
        made.plan = plan = msgspec.structs.replace(plan, balancer_host=trusted)
        write_files(folder, plan)
        supervisor = Supervisor(folder, plan, network, listener, restarts=False)
        try:
            await supervisor.start_all()
            await made.start()
            yield made
        finally:
            await made.end()
            await supervisor.kill_all()
    finally:
        listener.close()
        network.close()


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""
