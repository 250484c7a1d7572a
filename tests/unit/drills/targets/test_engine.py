"""What is said to a Docker engine, and what an operator is told when that can't be."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from datchat.drills.targets import TargetError
from datchat.drills.targets.engine import Engine, Refused, engine, spoken
from datchat.errors import ConfigurationError
from unit.drills.targets.fake_engine import FakeEngine


async def entered(environment: dict[str, str]) -> Engine:
    async with engine(environment) as found:
        return found


async def test_no_engine(tmp_path: Path) -> None:
    """It is not there."""
    with pytest.raises(ConfigurationError, match=r"no Docker engine answers at unix:///.*: start it, or say where it"):
        await entered({"DOCKER_HOST": f"unix://{tmp_path}/none.sock"})


async def test_an_engine_elsewhere_that_is_not_there() -> None:
    """By its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(ConfigurationError, match=f"no Docker engine answers at tcp://127.0.0.1:{port}"):
        await entered({"DOCKER_HOST": f"tcp://127.0.0.1:{port}"})


@pytest.mark.parametrize("place", ["ssh://somewhere", "somewhere", "tcp://"])
async def test_a_place_that_is_none(place: str) -> None:
    """What can be given is said."""
    with pytest.raises(ConfigurationError, match="a drill needs unix:///PATH or tcp://HOST:PORT"):
        await entered({"DOCKER_HOST": place})


async def test_certificates_that_are_missing(tmp_path: Path) -> None:
    """They are named."""
    environment = {"DOCKER_HOST": "tcp://127.0.0.1", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)}
    with pytest.raises(ConfigurationError, match="DOCKER_CERT_PATH: no usable"):
        await entered(environment)


WITHOUT_RIGHTS = """
import asyncio, os, sys
from datchat.drills.targets.engine import engine
async def main(place):
    try:
        async with engine({"DOCKER_HOST": "unix://" + place}):
            pass
    except Exception as error:
        print(error)
asyncio.run(main("/none"))  # all that it needs is loaded while it can be read
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
asyncio.run(main(sys.argv[1]))
"""


def test_missing_rights(tmp_path: Path) -> None:
    """Whoever may not use the socket is told who may."""
    place = Path("/tmp") / f"datchat-{os.getpid()}.sock"  # where another user gets to
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(place))
        listening.listen()
        place.chmod(0)
        try:
            done = subprocess.run(
                [sys.executable, "-c", WITHOUT_RIGHTS, place], capture_output=True, text=True, timeout=90, cwd="/"
            )
        finally:
            place.unlink()
    assert f"you may not use the Docker engine at unix://{place}: run it as root, or" in done.stdout, done.stderr


async def test_a_refusal_is_told_in_the_engines_words() -> None:
    """With its status; and when it says none, with that alone."""
    fake = FakeEngine()
    with pytest.raises(Refused, match="the Docker engine says: no such path: POST /nothing") as refused:
        await fake.client().do("/nothing")
    assert refused.value.status == 404

    transport = httpx.MockTransport(lambda request: httpx.Response(502, text="bad gateway"))
    behind = Engine(httpx.AsyncClient(transport=transport, base_url="http://docker"), "tcp://127.0.0.1:1")
    with pytest.raises(Refused, match="status 502"):
        await behind.ask("/info")


async def test_an_engine_that_hangs() -> None:
    """Is not waited for without end."""

    def hang(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("", request=request)

    hung = Engine(httpx.AsyncClient(transport=httpx.MockTransport(hang), base_url="http://docker"), "unix:///x")
    with pytest.raises(TargetError, match="the Docker engine did not answer within 20 s"):
        await hung.ask("/info")


async def test_a_command_in_a_container() -> None:
    """What it prints; one that fails is told with its end."""
    fake = FakeEngine()
    container = fake.service("web0")["Id"]
    fake.answers[("datchat", "--version")] = "datchat 1.2.3\n"
    assert await fake.client().run_in(container, "datchat", "--version") == "datchat 1.2.3\n"

    with pytest.raises(Refused, match="rm failed with 1"):
        await fake.client().run_in(container, "rm")


async def test_the_log_is_out_of_its_frames() -> None:
    """Both streams, in order."""
    fake = FakeEngine()
    container = fake.service("web0")["Id"]
    assert await fake.client().log(container, 0) == "hi\nerr\n"


@pytest.mark.parametrize(
    ("content", "streams", "said"),
    [
        (b"\1\0\0\0\0\0\0\2hi\2\0\0\0\0\0\0\3err\1\0\0\0\0\0\0\1!", (), "hierr!"),
        (b"\1\0\0\0\0\0\0\2hi\2\0\0\0\0\0\0\3err\1\0\0\0\0\0\0\1!", (1,), "hi!"),
        (b"\1\0\0\0\0\0\0\2hi\2\0\0\0\0\0\0\3err", (2,), "err"),
        (b"plain words", (), "plain words"),
        (b"", (), ""),
    ],
    ids=["both", "output", "errors", "a terminal", "nothing"],
)
def test_frames(content: bytes, streams: tuple[int, ...], said: str) -> None:
    """The engine puts a head before each piece, except when the container has a terminal."""
    assert spoken(content, *streams) == said


@pytest.mark.parametrize(
    ("place", "host"), [("unix:///var/run/docker.sock", "127.0.0.1"), ("tcp://192.0.2.7:2376", "192.0.2.7")]
)
def test_where_ports_are_published(place: str, host: str) -> None:
    """On the engine's host."""
    assert Engine(httpx.AsyncClient(), place).host == host
