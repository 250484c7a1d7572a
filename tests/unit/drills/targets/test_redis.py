"""What Redis servers and sentinels are asked, and what of their answers is trouble."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import pytest

from datchat.drills.targets import redis
from datchat.drills.targets.redis import Place, Silent
from support.sockets import listening

ROLE_MASTER = b"*3\r\n$6\r\nmaster\r\n:9\r\n*2\r\n*0\r\n*0\r\n"
ROLE_REPLICA = b"*5\r\n$5\r\nslave\r\n$1\r\nm\r\n:6379\r\n$9\r\nconnected\r\n:9\r\n"
ROLE_CONNECTING = ROLE_REPLICA.replace(b"$9\r\nconnected", b"$7\r\nconnect")
NAME = b"*1\r\n*2\r\n$4\r\nname\r\n$4\r\nchat\r\n"
ADDRESS = b"*2\r\n$11\r\nredismaster\r\n$4\r\n6379\r\n"
QUORUM = b"+OK 3 usable Sentinels\r\n"


def replicas(flags: str, pinged: str) -> bytes:
    fields = ["flags", flags, "last-ok-ping-reply", pinged]
    return b"*1\r\n*4\r\n" + b"".join(b"$%d\r\n%b\r\n" % (len(field), field.encode()) for field in fields)


SENTINEL = {
    "SENTINEL MASTERS": NAME,
    "SENTINEL GET-MASTER-ADDR-BY-NAME chat": ADDRESS,
    "SENTINEL CKQUORUM chat": QUORUM,
    "SENTINEL REPLICAS chat": replicas("slave", "7"),
}


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no server that does not answer."""
    monkeypatch.setattr(redis, "LIMIT_S", 60.0)


@asynccontextmanager
async def saying(answers: Mapping[str, bytes], asked: list[str] | None = None) -> AsyncIterator[Place]:
    """A server that gives these answers; it hangs up at anything else."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while head := await reader.readline():
                words = []
                for _ in range(int(head[1:])):
                    length = int((await reader.readline())[1:])
                    words.append((await reader.readexactly(length + 2))[:-2].decode())
                if asked is not None:
                    asked.append(" ".join(words))
                if " ".join(words) not in answers:
                    break
                writer.write(answers[" ".join(words)])

    async with listening(serve) as port:
        yield Place("127.0.0.1", port)


@pytest.mark.parametrize(
    ("answers", "role"),
    [({"ROLE": ROLE_MASTER}, "master"), ({"ROLE": ROLE_REPLICA}, "replica"), ({}, None), ({"ROLE": b"?"}, None)],
    ids=["master", "replica", "silent", "garbage"],
)
async def test_roles(answers: Mapping[str, bytes], role: str | None) -> None:
    """As a server says now."""
    async with saying(answers) as place:
        assert await redis.role_of(place) == role


async def test_the_password_is_said_first() -> None:
    """A server that wants none minds that, and answers all the same."""
    asked: list[str] = []
    answers = {"AUTH secret": b"-ERR no password is set\r\n", "ROLE": ROLE_MASTER}
    async with saying(answers, asked) as place:
        assert await redis.role_of(place._replace(password="secret")) == "master"
    assert asked == ["AUTH secret", "ROLE"]


async def test_one_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is not waited for; one that nobody listens for is told as that."""
    monkeypatch.setattr(redis, "LIMIT_S", 0.1)
    async with saying({"ROLE": b""}) as place:
        with pytest.raises(Silent, match="no answer"):
            await redis.ask(place, ["ROLE"])
    with pytest.raises(Silent, match="Connect call failed"):
        await redis.ask(place, ["ROLE"])


async def test_an_error_is_told() -> None:
    """In the server's words."""
    async with saying({"ROLE": b"-NOAUTH Authentication required.\r\n"}) as place:
        with pytest.raises(Silent, match="NOAUTH Authentication required"):
            await redis.ask(place, ["ROLE"])


async def test_a_server_that_is_well() -> None:
    """A master with its replicas, a replica that follows."""
    async with saying({"ROLE": ROLE_MASTER}) as place:
        await redis.check_server(place, replicas=2)
    async with saying({"ROLE": ROLE_REPLICA}) as place:
        await redis.check_server(place, replicas=2)


@pytest.mark.parametrize(
    ("role", "trouble"),
    [(ROLE_MASTER, "2 of 3 replicas follow it"), (ROLE_CONNECTING, "its link to the master is in state 'connect'")],
    ids=["alone", "lost"],
)
async def test_a_server_that_is_not(role: bytes, trouble: str) -> None:
    """What is wrong with it."""
    async with saying({"ROLE": role}) as place:
        with pytest.raises(Silent, match=trouble):
            await redis.check_server(place, replicas=3)


async def test_a_sentinel_that_is_well() -> None:
    """It names the master, by its name or its address, whatever it watches it as."""
    async with saying(SENTINEL) as place:
        await redis.check_sentinel(place, {"172.20.0.2", "redismaster"})


@pytest.mark.parametrize(
    ("change", "trouble"),
    [
        ({"SENTINEL GET-MASTER-ADDR-BY-NAME chat": ADDRESS.replace(b"master", b"other!")}, "it takes redisother!"),
        ({"SENTINEL CKQUORUM chat": b"-NOQUORUM 1 usable\r\n"}, "NOQUORUM 1 usable"),
        ({"SENTINEL REPLICAS chat": replicas("slave,s_down", "7")}, "it sees no replica"),
        ({"SENTINEL REPLICAS chat": replicas("slave", "0")}, "it sees no replica"),
        ({"SENTINEL MASTERS": b"*0\r\n"}, "it watches 0 masters"),
    ],
    ids=["another master", "no quorum", "replica down", "replica not heard", "no master"],
)
async def test_a_sentinel_that_is_not(change: Mapping[str, bytes], trouble: str) -> None:
    """Each thing that keeps it from choosing another master well."""
    async with saying({**SENTINEL, **change}) as place:
        with pytest.raises(Silent, match=trouble):
            await redis.check_sentinel(place, {"redismaster"})


@pytest.mark.parametrize(
    ("act", "command"),
    [(redis.switch_master, "SENTINEL FAILOVER chat"), (redis.cut_feeds, "CLIENT KILL TYPE pubsub")],
    ids=["switch", "feeds"],
)
async def test_acts(act: Callable[[Place], object], command: str) -> None:
    """They are asked for, and a refusal is told."""
    asked: list[str] = []
    async with saying({"SENTINEL MASTERS": NAME, command: b"+OK\r\n"}, asked) as place:
        await act(place)  # type: ignore[misc]
    assert asked[-1] == command
    async with saying({"SENTINEL MASTERS": NAME, command: b"-NOGOODSLAVE No suitable replica\r\n"}) as place:
        with pytest.raises(Silent, match="NOGOODSLAVE"):
            await act(place)  # type: ignore[misc]
