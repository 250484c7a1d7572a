"""What a part says of itself: a Redis server its role, a sentinel its quorum, nodes and load balancer readiness."""

from __future__ import annotations

import asyncio
import csv
import os
import socket
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import hiredis

from datchat.cluster.files import ADMIN
from datchat.cluster.parts import MASTER_NAME, Part

LIMIT_S: Final = 0.5
"""How long a part may take to answer; whoever is slower says nothing."""


class Silent(Exception):
    """The part does not answer, or not as it should; the text says how."""


async def ask_redis(part: Part, network: AbstractContextManager[None], *words: str) -> Any:
    """
    A Redis server's or sentinel's answer to one command.

    Raises:
        Silent: There was none, or an error.
    """
    command = b"".join([b"*%d\r\n" % len(words), *(b"$%d\r\n%b\r\n" % (len(w), w.encode()) for w in words)])
    parser = hiredis.Reader(encoding="utf-8", errors="replace")
    answer: Any = False
    try:
        async with asyncio.timeout(LIMIT_S):
            reader, writer = await _connect(part, network)
            try:
                writer.write(command)
                while answer is False:
                    if not (data := await reader.read(65536)):
                        raise Silent("it hangs up")
                    parser.feed(data)
                    answer = parser.gets()
            finally:
                writer.transport.abort()
    except (OSError, hiredis.ProtocolError) as error:
        raise Silent(str(error)) from None
    except TimeoutError:
        raise Silent("no answer") from None
    if isinstance(answer, hiredis.ReplyError):
        raise Silent(str(answer))
    return answer


async def role_of(part: Part, network: AbstractContextManager[None]) -> str | None:
    """``master`` or ``replica``, as a Redis server says now; None when it says nothing."""
    try:
        answer = await ask_redis(part, network, "ROLE")
    except Silent:
        return None
    return {"master": "master", "slave": "replica"}.get(answer[0])


async def check_redis(part: Part, network: AbstractContextManager[None], replicas: int) -> None:
    """
    Return when a replica follows its master, or a master has so many replicas online.

    Raises:
        Silent: It is not so.
    """
    role = await ask_redis(part, network, "ROLE")
    if role[0] == "slave" and role[3] != "connected":
        raise Silent(f"its link to the master is in state {role[3]!r}")
    if role[0] == "master" and len(role[2]) < replicas:
        raise Silent(f"{len(role[2])} of {replicas} replicas follow it")


async def check_sentinel(part: Part, network: AbstractContextManager[None]) -> None:
    """
    Return when a sentinel sees enough others to elect a leader and a replica that could be made master.

    Raises:
        Silent: It doesn't.
    """
    await ask_redis(part, network, "SENTINEL", "CKQUORUM", MASTER_NAME)
    for fields in await ask_redis(part, network, "SENTINEL", "REPLICAS", MASTER_NAME):
        replica = dict(zip(fields[::2], fields[1::2], strict=True))
        if replica["flags"] == "slave" and replica["last-ok-ping-reply"] != "0":
            return
    raise Silent("it sees no replica that could be made master")


async def check_web(part: Part, network: AbstractContextManager[None]) -> None:
    """
    Return when a node says that it is ready.

    Raises:
        Silent: It says something else, or nothing.
    """
    request = f"GET /readyz HTTP/1.1\r\nHost: {part.address}\r\nConnection: close\r\n\r\n"
    try:
        async with asyncio.timeout(2 * LIMIT_S):
            reader, writer = await _connect(part, network)
            try:
                writer.write(request.encode())
                answer = (await reader.read(65536)).decode(errors="replace")
            finally:
                writer.transport.abort()
    except TimeoutError:
        raise Silent("/readyz does not answer") from None
    except OSError as error:
        raise Silent(str(error)) from None
    if " 200 " not in answer.partition("\r\n")[0]:
        raise Silent(f"/readyz says {answer.rpartition(chr(10))[2]}")


async def check_haproxy(folder: Path, wanted: Sequence[str]) -> None:
    """
    Return when the load balancer has checked all of these nodes and found them up.

    Raises:
        Silent: It hasn't.
    """
    servers = {row["svname"]: row for row in await _statistics(folder) if row["pxname"] == "web"}
    for name in wanted:
        row = servers.get(name)
        if row is None or row["status"] != "UP" or row["check_status"] != "L7OK":
            raise Silent(f"it takes {name} for {row['status'] if row else 'unknown'}")


async def _statistics(folder: Path) -> list[dict[str, str]]:
    # A socket's path has at most 107 bytes, and a cluster's directory may lie deep: go through its descriptor.
    descriptor = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    try:
        async with asyncio.timeout(LIMIT_S):
            reader, writer = await asyncio.open_unix_connection(f"/proc/self/fd/{descriptor}/{ADMIN}")
            try:
                writer.write(b"show stat\n")
                text = (await reader.read()).decode()
            finally:
                writer.transport.abort()
    except TimeoutError:
        raise Silent("no answer") from None
    except OSError as error:
        raise Silent(str(error)) from None
    finally:
        os.close(descriptor)
    return list(csv.DictReader(text.lstrip("# ").splitlines()))


async def _connect(
    part: Part, network: AbstractContextManager[None]
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    with network:
        # From within its own network: so it can be asked also while it is cut off from everybody.
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(connection, (part.host, part.port))
        return await asyncio.open_connection(sock=connection)
    except BaseException:
        connection.close()
        raise
