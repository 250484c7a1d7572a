"""The limits of a node are heeded, from the setting on: each of these fails when its setting is ignored."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from datchat.app import limits_of
from datchat.backends.memory import MemoryBackend
from datchat.chat.model import CONTROL, LOBBY, RoomId, User
from datchat.errors import CloseCode, Unavailable
from datchat.node.lifecycle import Node
from datchat.settings import load
from support.eventually import eventually
from unit.node.conftest import Client, signed_in


@asynccontextmanager
async def running(clock: Callable[[], float] = time.monotonic, **settings: str) -> AsyncIterator[Node]:
    """A node on a store in memory with these settings, all others at their defaults."""
    backend = MemoryBackend(clock=clock)
    node = Node(backend, name="web0", limits=limits_of(load(settings, {})), clock=clock)
    await node.start()
    try:
        yield node
    finally:
        await node.stop()
        await backend.close()


def person(node: Node, name: str) -> Client:
    return Client(node, User(f"u_{name}", name))


async def test_session_check_s() -> None:
    """A socket whose session is not known is closed at the next look, which is soon."""
    async with running(session_check_s="0.02") as node:
        ghost = person(node, "ghost")

        await eventually(lambda: ghost.transport.closed, timeout_s=3)

        assert ghost.transport.closed is not None
        assert ghost.transport.closed[0] == CloseCode.SESSION_ENDED


async def test_session_check_s_is_for_members_too() -> None:
    """Who is removed from a private room without a signal leaves at the next look."""
    async with running(session_check_s="0.02") as node:
        alice = await signed_in(node, node.accounts, "alice")
        await node.create_room(alice.connection.user, RoomId("den"), "Den", private=True)
        await alice.ask("join", room="den")
        await node.rooms.remove_member(RoomId("den"), alice.connection.user.id)

        await eventually(lambda: alice.transport.of("left"), timeout_s=3)


async def test_session_grace_s() -> None:
    """A session is taken at its word for so long after the store left a question unanswered, and no longer."""
    now = 1000.0
    async with running(clock=lambda: now, session_grace_s="5") as node:
        node.grace.failed()

        now += 4.9
        assert node.grace.holds("s-alice")
        now += 0.2
        assert not node.grace.holds("s-alice")


async def test_hold_s() -> None:
    """The rest after ``more`` is pushed sooner than by default."""
    async with running(hold_s="0.02", post_rate="0") as node:
        alice, bob = person(node, "alice"), person(node, "bob")
        for number in range(501):
            alice.command("post", room="lobby", nonce=f"n{number}", text="hello")
        await eventually(lambda: len(alice.transport.of("stored")) == 501)
        reply = await bob.ask("join", room="lobby", cursor="0:0000000000000000")

        assert reply["more"] is True
        await eventually(lambda: bob.transport.offsets()[-1] == 501, timeout_s=1.5)


async def test_linger_s() -> None:
    """A room without members is let go, long before the default."""
    async with running(linger_s="0.05") as node:
        alice = person(node, "alice")
        await alice.ask("join", room="lobby")
        await alice.ask("leave", room="lobby")

        await eventually(lambda: node.hub.get("lobby") is None)


async def test_ready_s() -> None:
    """A deaf node says so within its limit, before the default is over."""
    async with running(ready_s="0.05") as node:
        await node.broker.unsubscribe(CONTROL)

        with pytest.raises(Unavailable, match="canary"):
            async with asyncio.timeout(1.5):
                await node.ready()


async def test_slow_s() -> None:
    """A client whose socket takes nothing is closed as slow, long before the default."""
    async with running(slow_s="0.05", ping_s="0.5") as node:
        slow = person(node, "slow")
        slow.transport.stall()
        slow.connection.paused_writing()

        def closed() -> bool:
            slow.connection.last_seen = node.now()  # it answers pings all the while
            return slow.transport.closed is not None

        await eventually(closed)
        assert slow.transport.closed is not None
        assert slow.transport.closed[0] == CloseCode.SLOW


async def test_lease_s() -> None:
    """The people of a node that says nothing more are there for ``lease_s``, and then gone."""
    now = 1000.0
    async with running(clock=lambda: now, lease_s="900") as node:
        alice = person(node, "alice")
        await alice.ask("join", room="lobby")
        await node.attendance.gather()

        now += 899
        before = await node.presence.roster(LOBBY)
        now += 2
        after = await node.presence.roster(LOBBY)

        assert [user.name for user in before] == ["alice"]
        assert after == []
