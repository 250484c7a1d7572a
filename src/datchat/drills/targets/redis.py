"""Redis servers and sentinels, asked over the network what they are and whether all is well with them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple, Protocol

import hiredis

from datchat.drills.targets import TargetError

LIMIT_S: Final = 1.0
"""How long one may take to answer; whoever is slower says nothing."""
NAMES: Final = {"master": "master", "slave": "replica"}


class Silent(TargetError):
    """It does not answer, or not as it should; the text says how."""


class Place(NamedTuple):
    """Where a server or sentinel listens, and what it wants to hear first; empty where it wants nothing."""

    host: str
    port: int
    password: str = ""


class Asked(Protocol):
    """One that is asked in another way than by a new connection to its place."""

    async def ask(self, *commands: Sequence[str]) -> list[Any]:
        """As ``ask``."""
        ...


async def ask(place: Place | Asked, *commands: Sequence[str]) -> list[Any]:
    """
    The answers to commands, in order.

    Raises:
        Silent: There was none, or an error.
    """
    if not isinstance(place, Place):
        return await place.ask(*commands)
    asked = [("AUTH", place.password), *commands] if place.password else list(commands)
    parser = hiredis.Reader(encoding="utf-8", errors="replace")
    answers: list[Any] = []
    try:
        async with asyncio.timeout(LIMIT_S):
            reader, writer = await asyncio.open_connection(place.host, place.port)
            try:
                writer.write(b"".join(packed(words) for words in asked))
                while len(answers) < len(asked):
                    if not (data := await reader.read(65536)):
                        raise Silent("it hangs up")
                    parser.feed(data)
                    while (answer := parser.gets()) is not False:
                        answers.append(answer)
            finally:
                writer.transport.abort()
    except TimeoutError:
        raise Silent("no answer") from None
    except (OSError, hiredis.ProtocolError) as error:
        raise Silent(str(error)) from None
    # One that wants no password minds being told one: only what was asked for counts.
    answers = answers[len(asked) - len(commands) :]
    for answer in answers:
        if isinstance(answer, hiredis.ReplyError):
            raise Silent(str(answer))
    return answers


async def role_of(server: Place | Asked) -> str | None:
    """``master`` or ``replica``, as a server says now; None when it says nothing."""
    try:
        (answer,) = await ask(server, ["ROLE"])
    except Silent:
        return None
    return NAMES.get(answer[0])


async def check_server(server: Place | Asked, replicas: int) -> None:
    """
    Return when a replica follows its master, or a master has so many replicas online.

    Raises:
        Silent: It is not so.
    """
    (role,) = await ask(server, ["ROLE"])
    if role[0] == "slave" and role[3] != "connected":
        raise Silent(f"its link to the master is in state {role[3]!r}")
    if role[0] == "master" and len(role[2]) < replicas:
        raise Silent(f"{len(role[2])} of {replicas} replicas follow it")


async def check_sentinel(sentinel: Place | Asked, master: Collection[str]) -> None:
    """
    Return when a sentinel takes one of these hosts for the master, sees enough others to elect a leader, and a replica
    that could be made master.

    Raises:
        Silent: It doesn't.
    """
    name = await master_name(sentinel)
    named, _, replicas = await ask(
        sentinel,
        ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", name],
        ["SENTINEL", "CKQUORUM", name],
        ["SENTINEL", "REPLICAS", name],
    )
    if named[0] not in master:
        raise Silent(f"it takes {named[0]} for the master")
    for fields in replicas:
        replica = dict(zip(fields[::2], fields[1::2], strict=True))
        if replica["flags"] == "slave" and replica["last-ok-ping-reply"] != "0":
            return
    raise Silent("it sees no replica that could be made master")


async def master_name(sentinel: Place | Asked) -> str:
    """
    The name under which a sentinel watches the servers.

    Raises:
        Silent: It watches none, or several.
    """
    (masters,) = await ask(sentinel, ["SENTINEL", "MASTERS"])
    if len(masters) != 1:
        raise Silent(f"it watches {len(masters)} masters")
    fields = masters[0]
    return str(dict(zip(fields[::2], fields[1::2], strict=True))["name"])


async def switch_master(sentinel: Place | Asked) -> None:
    """
    Have a sentinel make another server master; it is done by itself some time later.

    Raises:
        Silent: It doesn't begin.
    """
    await ask(sentinel, ["SENTINEL", "FAILOVER", await master_name(sentinel)])


async def cut_feeds(master: Place | Asked) -> None:
    """
    Have a server close every subscription.

    Raises:
        Silent: It doesn't.
    """
    await ask(master, ["CLIENT", "KILL", "TYPE", "pubsub"])


def packed(words: Sequence[str]) -> bytes:
    """A command as it goes over the wire."""
    texts = [word.encode() for word in words]
    return b"".join([b"*%d\r\n" % len(texts), *(b"$%d\r\n%b\r\n" % (len(text), text) for text in texts)])
