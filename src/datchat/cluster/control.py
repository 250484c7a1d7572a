"""
Commands to a running cluster, over a socket in its directory that only its owner can use.

One line of JSON asks; lines with ``say`` follow as things happen, then one with ``answer`` or ``error``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import structlog

from datchat.cluster.place import SOCKET, SUPERVISOR_LOG
from datchat.errors import ConfigurationError

log = structlog.get_logger("datchat.cluster")


class Request(msgspec.Struct, frozen=True):
    """What somebody wants: ``do`` is the command of the command line."""

    do: str
    names: list[str] = []
    keep_data: bool = False


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of the answer."""

    say: str | None = None
    answer: Any = None
    error: str | None = None
    done: bool = False


class NoSupervisorError(ConfigurationError):
    """There is no supervisor, or it ended before it had answered."""


Handler = Callable[[Request, Callable[[str], None]], Awaitable[Any]]


async def serve_control(directory: Path, handle: Handler) -> asyncio.Server:
    """Serve requests until the server is closed. ``handle`` gets each, and what says a line to whoever asked."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def write(reply: Reply) -> None:
            # Whoever asked may have gone; what was begun goes on all the same.
            if not writer.is_closing():
                writer.write(msgspec.json.encode(reply) + b"\n")

        try:
            request = msgspec.json.decode(await reader.readline(), type=Request)
            write(Reply(answer=await handle(request, lambda line: write(Reply(say=line))), done=True))
        except (ConfigurationError, msgspec.DecodeError) as error:
            write(Reply(error=str(error), done=True))
        except Exception:
            log.exception("a command failed")
            write(Reply(error=f"that failed in a way that nobody foresaw: see {directory / SUPERVISOR_LOG}", done=True))
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with _reachable(directory) as path:
        mask = os.umask(0o177)
        try:
            listener.bind(path)
        finally:
            os.umask(mask)
    return await asyncio.start_unix_server(answer, sock=listener)


def command(directory: Path, request: Request, say: Callable[[str], None]) -> Any:
    """
    Have a running cluster do something; returns its answer.

    Raises:
        ConfigurationError: It can't be done.
        NoSupervisorError: No cluster runs in the directory; or its supervisor ended meanwhile: it may have been done.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            with _reachable(directory) as path:
                connection.connect(path)
        except PermissionError:
            raise ConfigurationError(f"the cluster in {directory} is somebody else's") from None
        except OSError:
            raise NoSupervisorError(
                f"no cluster runs in {directory}: start one with `datchat up --dir {directory}`"
            ) from None
        with contextlib.suppress(ConnectionError), connection.makefile("rb") as lines:
            connection.sendall(msgspec.json.encode(request) + b"\n")
            for line in lines:
                reply = msgspec.json.decode(line, type=Reply)
                if reply.error is not None:
                    raise ConfigurationError(reply.error)
                if reply.done:
                    return reply.answer
                if reply.say is not None:
                    say(reply.say)
    raise NoSupervisorError(f"the cluster's supervisor ended meanwhile: see {directory / SUPERVISOR_LOG}")


@contextlib.contextmanager
def _reachable(directory: Path) -> Iterator[str]:
    # A socket's path has at most 107 bytes, and the directory may lie deep: go through its descriptor.
    descriptor = os.open(directory, os.O_PATH | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET}"
    finally:
        os.close(descriptor)
