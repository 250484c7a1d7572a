"""A way into a container through its engine's API, against a socket that answers as an engine does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from datchat.drills.targets.engine import Engine, engine
from datchat.drills.targets.redis import Silent, role_of
from datchat.drills.targets.tunnel import Console, tunnel

ROLE = b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"


class Container:
    """An engine's API with one container, in which whatever comes is answered by what is due."""

    def __init__(self, *answers: bytes, attaches: bool = True) -> None:
        self.answers = list(answers)
        self.heard: list[bytes] = []
        self.opened = 0
        self.attaches = attaches
        self.visits: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visit = asyncio.current_task()
        assert visit is not None
        self.visits.add(visit)
        try:
            await self.answer(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readline():
            length = 0
            while (line := await reader.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split()[1])
            await reader.readexactly(length)
            path = head.split()[1].decode()
            if path.endswith("/start"):
                break
            body = b"OK" if path == "/_ping" else json.dumps({"Id": "7"}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        else:
            return
        self.opened += 1
        writer.write(b"HTTP/1.1 101 UPGRADED\r\n\r\n" if self.attaches else b"HTTP/1.1 404 Not Found\r\n\r\n")
        while (data := await reader.read(65536)) and self.answers:
            self.heard.append(data)
            answer = self.answers.pop(0)
            writer.write(b"\2\0\0\0\0\0\0\4oops")  # what it says on standard error
            for piece in (answer[:5], answer[5:]):
                writer.write(b"\1\0\0\0" + len(piece).to_bytes(4) + piece)


@asynccontextmanager
async def serving(container: Container, folder: Path) -> AsyncIterator[Engine]:
    server = await asyncio.start_unix_server(container.serve, folder / "docker.sock")
    async with server, engine({"DOCKER_HOST": f"unix://{folder}/docker.sock"}) as docker:
        yield docker
    await asyncio.wait(container.visits, timeout=5)
    await asyncio.sleep(0)  # for what they closed to be let go of


async def test_bytes_go_both_ways(tmp_path: Path) -> None:
    """What is written arrives, what comes back is out of its frames, without what was said on standard error."""
    container = Container(b"hello there")
    async with serving(container, tmp_path) as docker:
        reader, writer = await tunnel(docker, "c", 8080)
        writer.write(b"hi")
        said = await reader.read(3) + await reader.read(100) + await reader.read(100)
        writer.close()

    assert container.heard == [b"hi"]
    assert said == b"hello there"


async def test_an_engine_that_does_not_attach(tmp_path: Path) -> None:
    """It is an error of the connection, which a door understands."""
    async with serving(Container(attaches=False), tmp_path) as docker:
        with pytest.raises(OSError, match="does not attach"):
            await tunnel(docker, "c", 8080)


async def test_a_console_stays_open(tmp_path: Path) -> None:
    """Two questions, one connection; the password is said first, and once."""
    container = Container(b"+OK\r\n" + ROLE, ROLE)
    async with serving(container, tmp_path) as docker:
        console = Console(docker, "c", 6379, "secret")
        roles = [await role_of(console), await role_of(console)]
        console.close()

    assert roles == ["master", "master"]
    assert container.opened == 1
    assert b"".join(container.heard).count(b"secret") == 1


async def test_a_server_that_hangs_up(tmp_path: Path) -> None:
    """It says nothing then, and the next question opens another connection."""
    container = Container(ROLE)
    async with serving(container, tmp_path) as docker:
        console = Console(docker, "c", 6379, "")
        assert await console.ask(["ROLE"]) == [["master", 0, []]]
        with pytest.raises(Silent, match="hangs up"):
            await console.ask(["ROLE"])
        container.answers = [ROLE]
        assert await role_of(console) == "master"
        console.close()

    assert container.opened == 2


async def test_an_error_is_told(tmp_path: Path) -> None:
    """What a server refuses counts as silence, with its words."""
    async with serving(Container(b"-NOAUTH no password\r\n"), tmp_path) as docker:
        console = Console(docker, "c", 6379, "")
        with pytest.raises(Silent, match="NOAUTH"):
            await console.ask(["ROLE"])
        console.close()
