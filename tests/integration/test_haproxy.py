"""HAProxy with the configuration of deploy/, before nodes that answer as they are told."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from datchat.cluster.files import haproxy_cfg
from datchat.cluster.parts import Kind, Part, Plan
from datchat.cluster.probes import Silent, check_haproxy
from datchat.cluster.recipes import search_path
from support.clusters import needs_servers
from support.eventually import eventually

pytestmark = needs_servers

UPGRADE = "Upgrade: websocket\r\nConnection: Upgrade"
# The example of RFC 6455, section 1.3.
KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@dataclass
class Node:
    """An HTTP server that answers ``/readyz`` and ``/healthz`` as it is told, and everything else by its name."""

    name: str
    ready: int | None = 200
    """The status of ``/readyz``; None for no answer at all."""
    healthy: bool = True
    rude: bool = False
    """Whether it hangs up instead of answering what people ask."""
    port: int = 0
    asked: list[str] = field(default_factory=list)
    """The requests of people, as they came."""
    _server: asyncio.Server | None = None
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Take no more connections."""
        assert self._server is not None
        self._server.close()

    async def end(self) -> None:
        """Stop, and drop the connections that there are."""
        self.stop()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                await self._answer(head, reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._serving.discard(task)
            writer.transport.abort()

    async def _answer(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = head.split()[1]
        if path == "/readyz" and self.ready is not None:
            writer.write(f"HTTP/1.1 {self.ready} Told\r\nContent-Length: 0\r\n\r\n".encode())
        elif path == "/healthz" and self.healthy:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        elif path not in ("/readyz", "/healthz"):
            self.asked.append(head)
            if self.rude:
                raise ConnectionError
            if "upgrade: websocket" in head.lower():
                writer.write(f"HTTP/1.1 101 Switching Protocols\r\n{UPGRADE}\r\n{ACCEPT}\r\n\r\n".encode())
                while chunk := await reader.read(1024):
                    writer.write(chunk)
                raise ConnectionError
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(self.name)}\r\n\r\n{self.name}".encode())


class Balancer:
    """A real HAProxy before two nodes."""

    def __init__(self, folder: Path, nodes: list[Node]) -> None:
        self.folder = folder
        self.nodes = nodes
        self.port = 0
        self._process: asyncio.subprocess.Process | None = None
        self._writers: list[asyncio.StreamWriter] = []

    async def start(self) -> None:
        parts = [Part(node.name, Kind.WEB, "127.0.0.1", node.port) for node in self.nodes]
        plan = Plan(network="loopback", parts=tuple(parts), master="", url="", store="", balancer_host="127.0.0.1")
        (self.folder / "haproxy.cfg").write_text(haproxy_cfg(plan))
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self._process = await asyncio.create_subprocess_exec(
            "haproxy",
            "-db",
            "-f",
            "haproxy.cfg",
            cwd=self.folder,
            env={
                **os.environ,
                "PATH": search_path(),
                "DATCHAT_BIND": f"fd@{listener.fileno()}",
                "DATCHAT_ADMIN": "unix@admin.sock",
            },
            pass_fds=(listener.fileno(),),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        listener.close()
        await self.sees("web0", "web1")

    async def stop(self) -> None:
        assert self._process is not None
        self._process.kill()
        await self._process.wait()
        for writer in self._writers:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def sees(self, *names: str) -> None:
        """Wait until exactly these nodes are taken for ready."""
        while True:
            up = []
            for node in self.nodes:
                with suppress(Silent):
                    await check_haproxy(self.folder, [node.name])
                    up.append(node.name)
            if up == list(names):
                return
            await asyncio.sleep(0.01)

    async def open(self, request: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._writers.append(writer)
        writer.write(f"{request}\r\nHost: chat\r\n\r\n".encode())
        return reader, writer

    async def ask(self, request: str) -> str:
        """The whole answer to one request on a connection of its own."""
        reader, _ = await self.open(f"{request}\r\nConnection: close")
        return (await reader.read()).decode()

    async def who(self) -> str:
        """Which node answers."""
        return (await self.ask("GET / HTTP/1.1")).rpartition("\r\n")[2]

    async def websocket(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await self.open(f"GET /ws HTTP/1.1\r\n{UPGRADE}\r\n{KEY}")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        return reader, writer


@pytest.fixture
async def balancer(tmp_path: Path) -> AsyncIterator[Balancer]:
    nodes = [Node("web0"), Node("web1")]
    for node in nodes:
        await node.start()
    balancer = Balancer(tmp_path, nodes)
    try:
        async with asyncio.timeout(60):
            await balancer.start()
            yield balancer
    finally:
        await balancer.stop()
        for node in nodes:
            await node.end()


async def echoes(socket: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> bool:
    """Whether an open WebSocket still reaches its node; False when it was cut."""
    reader, writer = socket
    try:
        writer.write(b"ping")
        return await reader.read(4) == b"ping"
    except ConnectionError:
        return False


@pytest.mark.parametrize("status", [404, 503], ids=["drains", "store-away"])
async def test_a_node_that_is_not_ready_gets_nobody_new(balancer: Balancer, status: int) -> None:
    """Whoever is there stays, whoever comes goes to another node; ready again, it gets people again."""
    sockets = [await balancer.websocket() for _ in range(4)]
    assert all([await echoes(socket) for socket in sockets])
    balancer.nodes[0].ready = status
    await balancer.sees("web1")

    assert {await balancer.who() for _ in range(6)} == {"web1"}
    assert all([await echoes(socket) for socket in sockets])
    assert all("/ws" in node.asked[0] for node in balancer.nodes)
    balancer.nodes[0].ready = 200
    await balancer.sees("web0", "web1")
    assert {await balancer.who() for _ in range(6)} == {"web0", "web1"}


async def test_a_node_that_hangs_loses_its_sockets(balancer: Balancer) -> None:
    """It answers no check: its sockets are cut, so that clients move on, and the others' are not."""
    sockets = [await balancer.websocket() for _ in range(4)]
    balancer.nodes[0].ready = None
    balancer.nodes[0].healthy = False
    await balancer.sees("web1")

    alive = 4
    while alive > 2:
        alive = sum([await echoes(socket) for socket in sockets])
    assert alive == 2
    assert {await balancer.who() for _ in range(6)} == {"web1"}


async def test_when_no_node_is_ready_one_that_lives_answers(balancer: Balancer) -> None:
    """During a failover people get a page that says so, rather than the balancer's own refusal."""
    for node in balancer.nodes:
        node.ready = 503
    await balancer.sees()
    assert await balancer.who() in ("web0", "web1")


async def test_sockets_of_a_failover_are_cut_as_soon(balancer: Balancer) -> None:
    """Those who came while no node was ready don't wait longer than others when theirs hangs."""
    for node in balancer.nodes:
        node.ready = 503
    await balancer.sees()
    sockets = [await balancer.websocket() for _ in range(4)]
    began = time.monotonic()
    balancer.nodes[0].healthy = False

    alive = 4
    while alive > 2:
        alive = sum([await echoes(socket) for socket in sockets])
        await asyncio.sleep(0.02)
    assert alive == 2
    # At the usual interval of two seconds it would be four at least.
    assert time.monotonic() - began < 4


async def test_when_no_node_lives_it_says_so(balancer: Balancer) -> None:
    """Without nodes there is a 503, at once."""
    for node in balancer.nodes:
        node.stop()
    await balancer.sees()
    await eventually_answers(balancer, "HTTP/1.1 503 ")
    for node in balancer.nodes:
        await node.start()


async def test_it_says_itself_whether_it_works(balancer: Balancer) -> None:
    """200 while a node lives, ready or not; 503 without one. No node is asked, so that none can hold up the answer."""
    for node in balancer.nodes:
        node.ready = None
    await balancer.sees()
    assert (await balancer.ask("GET /haproxy/alive HTTP/1.1")).startswith("HTTP/1.1 200 ")
    for node in balancer.nodes:
        node.stop()
    await eventually_answers(balancer, "HTTP/1.1 503 ", "/haproxy/alive")
    assert [node.asked for node in balancer.nodes] == [[], []]
    for node in balancer.nodes:
        await node.start()


async def eventually_answers(balancer: Balancer, beginning: str, path: str = "/") -> None:
    while not (await balancer.ask(f"GET {path} HTTP/1.1")).startswith(beginning):
        await asyncio.sleep(0.01)


async def test_a_dead_node_is_passed_over(balancer: Balancer) -> None:
    """Nobody sees the connection that is refused before the check has noticed."""
    balancer.nodes[0].stop()
    answers = [await balancer.who() for _ in range(8)]
    assert set(answers) == {"web1"}
    await balancer.nodes[0].start()


async def test_what_a_node_dropped_is_asked_again_unless_it_is_a_post(balancer: Balancer) -> None:
    """A page is fetched from another node; a post may have happened, and is the client's to repeat."""
    balancer.nodes[0].rude = balancer.nodes[1].rude = True
    assert (await balancer.ask("GET /once HTTP/1.1")).startswith("HTTP/1.1 502 ")
    tries = sum("/once" in head for node in balancer.nodes for head in node.asked)
    assert tries > 1
    assert (await balancer.ask("POST /once-more HTTP/1.1\r\nContent-Length: 0")).startswith("HTTP/1.1 502 ")
    assert sum("/once-more" in head for node in balancer.nodes for head in node.asked) == 1


async def test_nobody_can_pretend_to_be_elsewhere(balancer: Balancer) -> None:
    """A node sees the address and the scheme that the balancer saw, whatever the client says of itself."""
    await balancer.ask("GET / HTTP/1.1\r\nX-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https")
    await eventually(lambda: any(node.asked for node in balancer.nodes))
    (head,) = [head.lower() for node in balancer.nodes for head in node.asked]

    assert "x-forwarded-for: 127.0.0.1\r\n" in head
    assert "x-forwarded-proto: http\r\n" in head
    assert "203.0.113.7" not in head
    assert "https" not in head


async def test_statistics_and_metrics(balancer: Balancer) -> None:
    """On the same port, under paths that no node has."""
    assert "Statistics Report" in await balancer.ask("GET /haproxy?stats HTTP/1.1")
    assert "haproxy_backend_status" in await balancer.ask("GET /haproxy/metrics HTTP/1.1")
    assert [node.asked for node in balancer.nodes] == [[], []]
