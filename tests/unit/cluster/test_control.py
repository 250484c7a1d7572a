"""Commands to a running cluster, over its socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datchat.cluster.control import Request, command, serve_control
from datchat.errors import ConfigurationError


async def answer(request: Request, say: Callable[[str], None]) -> Any:
    """Says each name, and answers how many there are; refuses ``web9``."""
    for name in request.names:
        if name == "web9":
            raise ConfigurationError("there is no web9")
        say(name)
    return {"count": len(request.names), "keep": request.keep_data}


async def ask(directory: Path, request: Request) -> tuple[Any, list[str]]:
    """What was answered, and what was said meanwhile."""
    said: list[str] = []
    return await asyncio.to_thread(command, directory, request, said.append), said


async def test_a_command_is_answered(tmp_path: Path) -> None:
    """Lines come as they are said, then the answer."""
    server = await serve_control(tmp_path, answer)
    assert await ask(tmp_path, Request("stop", ["web0", "web1"], True)) == (
        {"count": 2, "keep": True},
        ["web0", "web1"],
    )
    server.close()


async def test_a_refusal_is_an_error(tmp_path: Path) -> None:
    """The sentence is the cluster's; what was said before it was said."""
    server = await serve_control(tmp_path, answer)
    with pytest.raises(ConfigurationError, match="there is no web9"):
        await ask(tmp_path, Request("stop", ["web0", "web9"]))
    server.close()


async def test_the_socket_is_its_owners_alone(tmp_path: Path) -> None:
    """Whoever may use it may kill processes."""
    server = await serve_control(tmp_path, answer)
    assert (tmp_path / "supervisor.sock").stat().st_mode & 0o777 == 0o600
    server.close()


async def test_a_directory_may_lie_deep(tmp_path: Path) -> None:
    """The limit of 107 bytes for a socket's path is no limit for the directory's."""
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    server = await serve_control(deep, answer)
    assert (await ask(deep, Request("ps")))[0] == {"count": 0, "keep": False}
    server.close()


async def test_nonsense_is_refused(tmp_path: Path) -> None:
    """What is no request gets an error, and the next one is served."""
    server = await serve_control(tmp_path, answer)
    reader, writer = await asyncio.open_unix_connection(tmp_path / "supervisor.sock")
    writer.write(b"GET / HTTP/1.1\n")
    assert b'"error"' in await reader.read()
    writer.close()
    assert (await ask(tmp_path, Request("ps")))[0]["count"] == 0
    server.close()


async def test_what_nobody_foresaw_is_told(tmp_path: Path) -> None:
    """A fault of ours is an answer too: where to look, and the next command is served."""

    async def fail(request: Request, say: Callable[[str], None]) -> Any:
        raise ZeroDivisionError

    server = await serve_control(tmp_path, fail)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=r"nobody foresaw: see /.*/supervisor\.log$"):
            await ask(tmp_path, Request("ps"))
    server.close()


async def test_a_cluster_that_dies_meanwhile_is_told(tmp_path: Path) -> None:
    """The end of the connection without an answer is no success."""

    async def die(request: Request, say: Callable[[str], None]) -> Any:
        raise asyncio.CancelledError

    server = await serve_control(tmp_path, die)
    with pytest.raises(ConfigurationError, match="supervisor ended meanwhile"):
        await ask(tmp_path, Request("ps"))
    server.close()


@pytest.mark.parametrize("made", [True, False])
def test_where_nothing_runs_it_is_said(tmp_path: Path, made: bool) -> None:
    """An empty directory, or none at all: one sentence with the command that helps."""
    directory = tmp_path if made else tmp_path / "none"
    with pytest.raises(ConfigurationError, match=r"no cluster runs in .*: start one with `datchat up --dir /"):
        command(directory, Request("ps"), print)
