"""A node whose store is away, comes later, or comes back: it says so, waits without haste, and recovers by itself."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog
from structlog.testing import capture_logs

from datchat.chat.model import CONTROL, Interrupted, SessionEnded, StoreState
from datchat.errors import BackendError
from datchat.node.lifecycle import Node
from datchat.node.limits import Limits
from support.drafts import message
from support.eventually import eventually
from support.outage import REASON, Outage

from .conftest import Client, signed_in

LIMITS = Limits(
    post_rate=0,
    command_rate=0,
    roster_s=0.02,
    lease_s=0.06,
    session_check_s=0.02,
    linger_s=3600,
    ready_s=0.2,
    post_deadline_s=0.3,
)


@pytest.fixture
async def outage() -> AsyncIterator[Outage]:
    outage = Outage()
    yield outage
    await outage.close()


@asynccontextmanager
async def running(outage: Outage, limits: Limits = LIMITS) -> AsyncIterator[Node]:
    node = Node(outage, name="web0", limits=limits)
    await node.start()
    try:
        yield node
    finally:
        await node.stop()


async def person(outage: Outage, node: Node, name: str = "alice") -> Client:
    """Signed in, also while the store is away."""
    return await signed_in(node, outage.backend.accounts, name)


async def seen(client: Client, kind: str, count: int = 1) -> list[dict[str, object]]:
    """Wait for so many pushes of a kind."""

    def found() -> list[dict[str, object]]:
        return [frame for frame in client.transport.frames() if frame["type"] == kind]

    await eventually(lambda: len(found()) >= count, describe=client.transport.frames)
    return found()


async def test_a_node_starts_without_its_store(outage: Outage) -> None:
    """It says that it is not ready, and why; once the store comes it hears the cluster and is ready."""
    outage.begin(since_ms=1)
    async with running(outage) as node:
        with pytest.raises(BackendError, match=REASON):
            await node.ready()
        outage.end()

        async def is_ready() -> bool:
            try:
                await node.ready()
            except BackendError:
                return False
            return True

        async with asyncio.timeout(5):
            while not await is_ready():
                await asyncio.sleep(0.02)
        await node.broker.signal(CONTROL, SessionEnded("a session"))
        await eventually(lambda: not node.grace.holds("a session"))


async def test_hello_says_that_the_store_is_away(outage: Outage) -> None:
    """So that the banner is right from the first moment; its coming and going is told to who is there."""
    async with running(outage) as node:
        early = await person(outage, node)
        outage.begin(since_ms=7)
        await seen(early, "store")
        late = await person(outage, node, "bob")
        assert late.transport.frames()[0]["store"]["state"] == "failing_over"
        outage.end()
        states = [push["state"] for push in await seen(early, "store", 2)]
        assert states == ["failing_over", "ok"]


@pytest.mark.parametrize("kind", ["post", "join", "typing"])
async def test_what_needs_the_store_is_refused_for_now(outage: Outage, kind: str) -> None:
    """``unavailable``, to be tried again."""
    fields = {"post": {"nonce": "a", "text": "hello"}}.get(kind, {})
    async with running(outage) as node:
        outage.begin()
        alice = await person(outage, node)
        reply = await alice.ask(kind, room="lobby", **fields)
        assert (reply["type"], reply["code"], reply["retry"]) == ("refused", "unavailable", True)


async def test_a_store_that_hangs_holds_up_no_queue(outage: Outage) -> None:
    """Each command has its deadline from when it came: ten joins are refused in the time of one."""
    async with running(outage) as node:
        alice = await person(outage, node)
        outage.hang()
        loop = asyncio.get_running_loop()
        began = loop.time()
        joins = [alice.command("join", room=f"room-{number}") for number in range(9)]
        joins.append(alice.command("post", room="lobby", nonce="a", text="hello"))
        refused = await seen(alice, "refused", len(joins))
        took_s = loop.time() - began
        assert [push["id"] for push in refused] == joins
        assert {push["code"] for push in refused} == {"unavailable"}
        assert LIMITS.post_deadline_s <= took_s < 3 * LIMITS.post_deadline_s


async def test_what_was_missed_is_read_when_the_store_is_back(outage: Outage) -> None:
    """Rooms catch up from where they were, and those who were there see everything once, in order."""
    elsewhere = outage.backend.broker
    async with running(outage) as node:
        alice = await person(outage, node)
        await alice.ask("join", room="lobby")
        outage.begin(since_ms=1)
        for number in range(3):
            await elsewhere.append(message(nonce=f"n{number}"))
        assert alice.transport.offsets() == []
        outage.end()
        await alice.sees([1, 2, 3])
        await elsewhere.append(message(nonce="after"))
        await alice.sees([1, 2, 3, 4])


async def test_a_catch_up_is_patient_and_in_no_haste(outage: Outage) -> None:
    """The gap that is found while the store is away is filled soon after it is back; it is not asked without pause."""
    async with running(outage) as node:
        alice = await person(outage, node)
        await alice.ask("join", room="lobby")
        room = node.hub.get("lobby")
        assert room is not None
        outage.begin()
        outage.asked = 0
        node.hub.interrupted()
        await asyncio.sleep(0.5)
        assert room.behind
        # Of the four rounds of housekeeping, and the catch-up.
        assert outage.asked < 100
        outage.end()
        await eventually(lambda: not room.behind, 3)


async def test_a_catch_up_survives_a_very_long_outage(outage: Outage, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many times it failed, its pause is a number, and it goes on."""
    monkeypatch.setattr("datchat.node.hub.PATIENCE_S", 0.0)
    async with running(outage) as node:
        alice = await person(outage, node)
        await alice.ask("join", room="lobby")
        room = node.hub.get("lobby")
        assert room is not None
        outage.begin()
        outage.asked = 0
        node.hub.interrupted()
        await eventually(lambda: outage.asked > 1500, 10)
        outage.end()
        await eventually(lambda: not room.behind)
        assert node.metrics.task_failures.labels("room catch-up")._value.get() == 0


async def test_an_outage_is_told_in_few_lines(outage: Outage) -> None:
    """Housekeeping goes on trying each round, and says once what it waits for; and again in the next outage."""
    structlog.reset_defaults()
    async with running(outage) as node:
        alice = await person(outage, node)
        await alice.ask("join", room="lobby")
        await seen(alice, "roster")  # so that there is a lease to renew
        with capture_logs() as lines:
            for _ in range(2):
                outage.begin()
                outage.asked = 0
                bob = await person(outage, node, "bob")
                await bob.ask("join", room="lobby")
                await eventually(lambda: outage.asked > 40)
                outage.end()
                await asyncio.sleep(0.1)
        told = [line for line in lines if line["log_level"] != "debug"]
        waits = Counter(line["task"] for line in told if line["event"] == "housekeeping waits for the store")
        assert "sessions" in waits, waits
        assert set(waits.values()) == {2}, waits
        assert len(told) < 30
        assert node.store_state() == StoreState()


async def test_a_drain_does_not_wait_for_a_store_that_hangs(outage: Outage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Posts under way are given a moment; their authors send them again, to another node, with the same nonces."""
    monkeypatch.setattr("datchat.node.lifecycle.FINISH_S", 0.1)
    async with running(outage, Limits(post_rate=0, post_deadline_s=30)) as node:
        alice = await person(outage, node)
        await alice.ask("join", room="lobby")
        outage.hang()
        alice.command("post", room="lobby", nonce="a", text="hello")
        await eventually(lambda: node.posting.under_way == 1)
        async with asyncio.timeout(2):
            await node.drain(0)
        assert alice.transport.closed is not None
        outage.end()


async def test_a_state_that_the_feed_lost_is_told(outage: Outage) -> None:
    """A change may be among what an interruption dropped: whoever doesn't know is told what the store is like now."""
    async with running(outage) as node:
        alice = await person(outage, node)
        node._take([StoreState(state="failing_over")])
        node._take([Interrupted("more happened than was taken up")])
        node._take([Interrupted("once more")])

        assert [push["state"] for push in alice.transport.of("store")] == ["failing_over", "ok"]


async def test_a_socket_that_takes_nothing_is_told_later(outage: Outage) -> None:
    """What the store is like then, once, though no change comes after it."""
    async with running(outage) as node:
        slow, other = await person(outage, node), await person(outage, node, "other")
        slow.connection.paused_writing()
        outage.begin(since_ms=7)
        await seen(other, "store")
        assert slow.transport.of("store") == []

        for _ in range(2):
            slow.connection.resumed_writing()
            slow.connection.paused_writing()

        assert [push["state"] for push in slow.transport.of("store")] == ["failing_over"]
        outage.end()
