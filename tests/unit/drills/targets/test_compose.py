"""A Compose project as a target: how it is found, and what is done to its containers. By an engine in memory."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from datchat.drills.targets import Ability, TargetError, Usage
from datchat.drills.targets import compose as module
from datchat.drills.targets.compose import PROGRAMS, ComposeProject, choose
from datchat.errors import ConfigurationError
from support.sockets import connected, listening
from unit.drills.targets.fake_engine import FakeEngine

WHOLE = {"redis", "sentinel", "web", "haproxy"}


@pytest.fixture
def fake() -> FakeEngine:
    """A master, two nodes and a balancer."""
    fake = FakeEngine()
    for service in ("redismaster", "web0", "web1", "haproxy"):
        fake.service(service)
    return fake


@pytest.fixture
async def target(fake: FakeEngine) -> AsyncIterator[ComposeProject]:
    """What drills that project."""
    target = ComposeProject(fake.client(), "chat")
    yield target
    await target.close()


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no node that accepts nobody."""
    monkeypatch.setattr("datchat.drills.targets.door.CONNECT_S", 60.0)


async def states(target: ComposeProject) -> dict[str, str]:
    return {piece.name: target._state(piece) for piece in await target._pieces()}


def test_the_only_project_that_is_dat_chat() -> None:
    """Needs no name; others don't count."""
    assert choose({"chat": WHOLE, "shop": {"redis", "web"}}, None) == "chat"
    assert choose({"chat": WHOLE, "other": WHOLE}, "other") == "other"


@pytest.mark.parametrize(
    ("known", "wanted", "told"),
    [
        ({}, None, "no Compose project on this engine is Dat Chat: start one with `docker-compose up -d`"),
        ({"shop": {"redis"}}, None, "no Compose project on this engine is Dat Chat"),
        ({"b": WHOLE, "a": WHOLE}, None, "several projects are Dat Chat: say which with --project: a, b"),
        ({"chat": WHOLE}, "chatt", "no Compose project on this engine is named chatt: there is chat"),
        ({}, "chat", "no Compose project on this engine is named chat: there is none"),
        ({"shop": {"redis", "web"}}, "shop", "the project shop is not Dat Chat: it has no service of kind sentinel"),
    ],
    ids=["nothing", "something else", "several", "misspelt", "named and nothing", "named and something else"],
)
def test_a_project_that_can_not_be_drilled(known: dict[str, set[str]], wanted: str | None, told: str) -> None:
    """The sentence says why, and what there is."""
    with pytest.raises(ConfigurationError, match=told):
        choose(known, wanted)


async def test_a_part_that_does_not_run(fake: FakeEngine, target: ComposeProject) -> None:
    """Is named: a drill begins with a whole cluster."""
    fake.end(fake.of("web1"))
    with pytest.raises(ConfigurationError, match="web1 is stopped: start it first"):
        await target.open()


async def test_a_part_that_can_not_be_reached() -> None:
    """As from a machine that is not the engine's: what to do is said."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    fake = FakeEngine()
    fake.network("home", "127.0.0.")
    fake.service("web0", ExposedPorts={f"{port}/tcp": {}})
    with pytest.raises(
        ConfigurationError, match=r"web0 can't be reached from here\. Run the drill on the engine's own"
    ):
        await ComposeProject(fake.client(), "chat").open()


async def test_an_engine_that_refuses_is_the_operators(fake: FakeEngine, target: ComposeProject) -> None:
    """What it says is told as that; nothing has been broken yet."""
    fake.refuse["/networks"] = (403, "you may look only")
    with pytest.raises(ConfigurationError, match="the Docker engine says: you may look only"):
        await target.open()


async def test_what_is_killed_stays_down_and_is_started(fake: FakeEngine, target: ComposeProject) -> None:
    """And is told as stopped meanwhile; one that ended without being told to is failed."""
    fake.end(fake.of("web1"))
    await target.kill("redismaster", "web0")
    assert await states(target) == {
        "haproxy": "running",
        "redismaster": "stopped",
        "web0": "stopped",
        "web1": "failed",
    }

    await target.start("redismaster", "web0")
    assert (await states(target))["web0"] == "running"


async def test_one_that_comes_back_by_itself(fake: FakeEngine, target: ComposeProject) -> None:
    """A restart policy may be quicker than the drill: that is another life, and is left alone."""
    fake.on_kill = lambda container: (fake.end(container), fake.begin(container))  # type: ignore[func-returns-value]

    await target.kill("web0")
    await target.start("web0")

    assert fake.of("web0")["State"]["StartedAt"] == "2"
    assert (await states(target))["web0"] == "running"


async def test_one_that_does_not_die(fake: FakeEngine, target: ComposeProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill that does nothing is no fault of the chat's: the drill can't be judged."""
    monkeypatch.setattr(module, "END_S", 0.1)
    fake.on_kill = lambda container: None
    with pytest.raises(TargetError, match=r"web0 still runs 0\.1 s after it was killed"):
        await target.kill("web0")


async def test_one_that_has_ended_already(fake: FakeEngine, target: ComposeProject) -> None:
    """Is dead, as was wanted."""
    fake.end(fake.of("web0"))
    await target.kill("web0")
    assert (await states(target))["web0"] == "stopped"


async def test_freezing(fake: FakeEngine, target: ComposeProject) -> None:
    """And letting go on."""
    await target.pause("web0")
    assert (await states(target))["web0"] == "paused"
    await target.unpause("web0")
    assert (await states(target))["web0"] == "running"
    await target.stop("web0")
    assert fake.done == [("pause", "web0"), ("unpause", "web0"), ("stop", "web0")]


async def test_a_cut_is_trouble_until_it_is_healed(fake: FakeEngine, target: ComposeProject) -> None:
    """Parts that are cut off keep no cluster whole."""
    await target.partition("redismaster", "web0")
    assert await target.trouble() == "some parts are cut off"
    await target.heal()
    assert await target.trouble() == "0 servers are master"  # nobody listens at these addresses


async def test_a_cut_that_fails_is_undone(fake: FakeEngine, target: ComposeProject) -> None:
    """Nobody stays cut off because another could not be."""
    fake.refuse[f"/networks/home/disconnect {fake.of('web0')['Id']}"] = (500, "it is busy")
    with pytest.raises(TargetError, match="it is busy"):
        await target.partition("redismaster", "web0")
    assert list(fake.networks) == ["home"]
    assert list(fake.whereabouts(fake.of("redismaster"))) == ["home"]


async def test_doors_follow_a_node(fake: FakeEngine, target: ComposeProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who stands beside a node is led to its address of the moment, and is cut when that changes; nobody else is."""
    led: asyncio.Queue[str] = asyncio.Queue()
    real = asyncio.open_connection

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        while data := await reader.read(100):
            writer.write(data)

    async with listening(serve) as there:

        async def lead(host: str, port: int) -> Any:
            if host == "127.0.0.1":
                return await real(host, port)
            led.put_nowait(f"{host}:{port}")
            return await real("127.0.0.1", there)

        monkeypatch.setattr(asyncio, "open_connection", lead)
        url = await target.door("web0")
        assert await target.door("web0") == url
        async with connected(url) as (reader, _writer), connected(await target.door("web1")) as (other, writer):
            assert await other.readexactly(5) == await reader.readexactly(5) == b"hello"
            assert {led.get_nowait(), led.get_nowait()} == {"127.9.0.3:8080", "127.9.0.4:8080"}

            await target.partition("web0")

            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await asyncio.wait_for(reader.readexactly(1), 60)
            writer.write(b"again")
            assert await asyncio.wait_for(other.readexactly(5), 60) == b"again"
        async with connected(url) as (reader, _writer):
            assert await reader.readexactly(5) == b"hello"
            assert led.get_nowait().startswith("127.31.")


async def test_what_a_node_takes(fake: FakeEngine, target: ComposeProject) -> None:
    """While it runs; what can't be seen is not made up."""
    pid = fake.of("web0")["State"]["Pid"]
    assert await target.usage("web0") == Usage(pid, 5000, None)
    await target.kill("web0")
    assert await target.usage("web0") is None


async def test_what_a_part_said(target: ComposeProject) -> None:
    """As the engine kept it; a part that is gone is told."""
    assert await target.log("web0") == "hi\nerr\n"
    with pytest.raises(TargetError, match="web9 is there no more"):
        await target.log("web9")


async def test_what_it_lacks(target: ComposeProject) -> None:
    """One host, and no way of an update of its own; which of several balancers people use it can't tell."""
    target._ports = {"haproxy": 8081}
    assert set(target.lacks) == {Ability.CRASH, Ability.DRAIN, Ability.ROLL}
    target._ports = {"haproxy-1": 8081, "haproxy-2": 8081}
    assert target.lacks[Ability.BREAK_BALANCER] == "the project has 2"
    for refused in (target.crash_host_of("web0"), target.drain_host_of("web0"), target.roll("web")):
        with pytest.raises(TargetError):
            await refused
    await target.readmit_hosts()


async def test_versions_are_the_programs_own_words(fake: FakeEngine, target: ComposeProject) -> None:
    """What does not say its version is unknown."""
    fake.answers = {
        PROGRAMS["web"]["Dat Chat"]: "datchat 0.1.0\n",
        PROGRAMS["redis"]["Redis"]: "Redis server v=7.2.5 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64\n",
        PROGRAMS["haproxy"]["HAProxy"]: "HAProxy version 3.0.3-1~bpo12+1 2024/07/11 - https://haproxy.org/\n",
    }
    assert await target._versions(await target._pieces()) == {
        "Docker": "20.10",
        "Linux": "6.1",
        "processors": "2",
        "Dat Chat": "0.1.0",
        "Python": "unknown",
        "Redis": "7.2.5",
        "HAProxy": "3.0.3-1~bpo12+1",
    }
