"""
A way into a container's own network from outside, where nothing of it is published: through its engine's API.

A shell in the container joins what comes over the API with a connection to a port of the container. It needs ``bash``
and ``cat`` there, which the official images have.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import hiredis

from datchat.drills.targets import TargetError
from datchat.drills.targets.door import Streams
from datchat.drills.targets.engine import Engine
from datchat.drills.targets.redis import LIMIT_S, Silent, packed

OPEN_S: Final = 5.0
"""How long a way in may take to be opened: a process has to start on a busy host."""
RELAY: Final = (
    "exec 3<>/dev/tcp/127.0.0.1/$0 4<&0 || exit; cat <&3 & near=$!; cat <&4 >&3 & far=$!; "
    "wait -n; kill $near $far 2>/dev/null"
)
"""Carries bytes both ways until either side ends."""
_HEAD: Final = 8
"""Bytes before each piece: its stream, three zeros, its length."""


class Unframed(asyncio.StreamReader):
    """Reads what a command in a container says on standard output, out of the engine's framing."""

    def __init__(self, framed: asyncio.StreamReader) -> None:
        super().__init__()
        self._framed = framed
        self._left = 0

    async def read(self, n: int = -1) -> bytes:
        while self._left == 0:
            try:
                head = await self._framed.readexactly(_HEAD)
            except asyncio.IncompleteReadError:
                return b""
            self._left = int.from_bytes(head[4:])
            if head[0] != 1:  # what it says on standard error is for nobody
                await self._framed.readexactly(self._left)
                self._left = 0
        data = await self._framed.read(self._left if n < 0 else min(n, self._left))
        self._left -= len(data)
        return data


async def tunnel(docker: Engine, container: str, port: int) -> Streams:
    """
    A connection to a port of a container. It ends at once where nobody listens.

    Raises:
        OSError: The engine or the container is not there.
    """
    try:
        async with asyncio.timeout(OPEN_S):
            wanted = {"AttachStdin": True, "AttachStdout": True, "Cmd": ["bash", "-c", RELAY, str(port)]}
            number = (await docker.do(f"/containers/{container}/exec", wanted))["Id"]
            return await _attached(docker, number)
    except TargetError as error:
        raise OSError(str(error)) from error


async def _attached(docker: Engine, number: str) -> Streams:
    """The standard streams of a command (https://docs.docker.com/reference/api/engine/, attaching)."""
    place = urlsplit(docker.place)
    if place.scheme == "unix":
        reader, writer = await asyncio.open_unix_connection(place.path)
    else:
        port = place.port or (2376 if docker.tls else 2375)
        reader, writer = await asyncio.open_connection(place.hostname, port, ssl=docker.tls)
    try:
        body = json.dumps({"Detach": False, "Tty": False})
        head = f"POST /exec/{number}/start HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        _check((await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")[0].decode())
    except BaseException:
        writer.transport.abort()
        raise
    return Unframed(reader), writer


def _check(status: str) -> None:
    if " 101 " not in status:
        raise ConnectionError(f"the engine does not attach: {status}")


class Console:
    """A Redis server or sentinel in a container, asked over a connection that stays open."""

    def __init__(self, docker: Engine, container: str, port: int, password: str) -> None:
        self._engine = docker
        self._container = container
        self._port = port
        self._password = password
        self._streams: Streams | None = None
        self._turn = asyncio.Lock()

    async def ask(self, *commands: Sequence[str]) -> list[Any]:
        """
        The answers to commands, in order.

        Raises:
            Silent: There was none, or an error.
        """
        async with self._turn:
            try:
                async with asyncio.timeout(LIMIT_S if self._streams else OPEN_S):
                    answers = await self._asked(commands)
            except TimeoutError:
                self.close()
                raise Silent("no answer") from None
            except (OSError, hiredis.ProtocolError) as error:
                self.close()
                raise Silent(str(error)) from None
            except BaseException:
                self.close()
                raise
        for answer in answers:
            if isinstance(answer, hiredis.ReplyError):
                raise Silent(str(answer))
        return answers

    async def _asked(self, commands: Sequence[Sequence[str]]) -> list[Any]:
        asked = list(commands)
        if self._streams is None:
            self._streams = await tunnel(self._engine, self._container, self._port)
            if self._password:
                asked.insert(0, ("AUTH", self._password))
        reader, writer = self._streams
        writer.write(b"".join(packed(words) for words in asked))
        parser = hiredis.Reader(encoding="utf-8", errors="replace")
        answers: list[Any] = []
        while len(answers) < len(asked):
            if not (data := await reader.read(65536)):
                raise ConnectionError("it hangs up")
            parser.feed(data)
            while (answer := parser.gets()) is not False:
                answers.append(answer)
        # One that wants no password minds being told one: only what was asked for counts.
        return answers[len(asked) - len(commands) :]

    def close(self) -> None:
        """Let go of the connection; the next question opens another."""
        if self._streams is not None:
            with contextlib.suppress(OSError):
                self._streams[1].transport.abort()
        self._streams = None
