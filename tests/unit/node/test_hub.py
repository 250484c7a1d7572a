"""The hub and the connection on a transport that can stall: gapless, once, in order, whatever the feed does."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from datchat.chat.model import Entry, Interrupted, Page, RoomId
from datchat.errors import CloseCode, Unavailable
from datchat.node.lifecycle import Node
from support.eventually import eventually

from .conftest import Client

LOBBY = RoomId("lobby")
Arrive = Callable[..., Client]


async def test_members_get_each_entry_once_in_order(arrive: Arrive) -> None:
    """Everyone in the room, the author too, is shown the log."""
    alice, bob = arrive("alice"), arrive("bob")
    await alice.ask("join", room="lobby")
    await bob.ask("join", room="lobby")

    for number in range(5):
        alice.command("post", room="lobby", nonce=f"n{number}", text=f"message {number}")

    await alice.sees([1, 2, 3, 4, 5])
    await bob.sees([1, 2, 3, 4, 5])
    assert [frame["text"] for frame in bob.transport.of("entry")] == [f"message {n}" for n in range(5)]


async def test_a_batch_is_one_write_per_socket(node: Node, arrive: Arrive) -> None:
    """However many entries a batch has, each socket is written once."""
    alice = arrive()
    await alice.ask("join", room="lobby")
    before = len(alice.transport.written)
    batch = [Entry(LOBBY, offset, f"{offset:016x}", b'{"kind":"message"}') for offset in range(1, 65)]

    node.hub.deliver(batch)

    assert len(alice.transport.written) == before + 1
    assert alice.transport.offsets() == list(range(1, 65))


async def test_a_repeat_is_dropped(node: Node, arrive: Arrive) -> None:
    """The feed may repeat itself; nobody is shown an entry twice."""
    alice = arrive()
    await alice.ask("join", room="lobby")
    await alice.ask("post", room="lobby", nonce="a", text="once")
    await alice.sees([1])
    page = await node.broker.before(LOBBY, None, 1)

    node.hub.deliver(page.entries)

    assert alice.transport.offsets() == [1]


async def test_a_gap_is_filled_from_the_log(node: Node, arrive: Arrive) -> None:
    """An entry beyond the next offset means that the feed lost something: the room is read from its cursor."""
    alice = arrive()
    await alice.ask("join", room="lobby")
    deaf, node.hub.deliver = node.hub.deliver, lambda entries: None  # type: ignore[method-assign]
    for number in range(3):
        await alice.ask("post", room="lobby", nonce=f"n{number}", text="lost by the feed")
    node.hub.deliver = deaf  # type: ignore[method-assign]
    assert alice.transport.offsets() == []

    await alice.ask("post", room="lobby", nonce="last", text="heard")

    await alice.sees([1, 2, 3, 4])


async def test_an_interruption_reads_every_room_again(node: Node, arrive: Arrive) -> None:
    """After ``Interrupted`` what was missed comes without a further post."""
    alice = arrive()
    await alice.ask("join", room="lobby")
    deaf, node.hub.deliver = node.hub.deliver, lambda entries: None  # type: ignore[method-assign]
    await alice.ask("post", room="lobby", nonce="a", text="lost by the feed")
    node.hub.deliver = deaf  # type: ignore[method-assign]

    node._take([Interrupted("a cable")])

    await alice.sees([1])


async def test_a_stalled_socket_is_set_aside_and_catches_up(node: Node, arrive: Arrive) -> None:
    """A client that stops reading is written nothing more, costs the others nothing, and misses nothing."""
    alice, slow = arrive("alice"), arrive("slow")
    await alice.ask("join", room="lobby")
    await slow.ask("join", room="lobby")
    slow.transport.stall()

    for number in range(600):
        alice.command("post", room="lobby", nonce=f"n{number}", text="hello")
        if number % 100 == 0:
            await alice.sees(list(range(1, number + 2)))
    await alice.sees(list(range(1, 601)))
    written = len(slow.transport.offsets())
    slow.transport.wake()

    assert written == 1, "the write that filled the socket was the last"
    await slow.sees(list(range(1, 601)))


@pytest.mark.parametrize("seed", range(20))
async def test_joins_leaves_and_stalls_at_random_leave_no_gap(arrive: Arrive, seed: int) -> None:
    """Whatever a client and its socket do while others post, what it is shown is the log from its cursor."""
    rng = random.Random(seed)
    poster, reader = arrive("poster"), arrive("reader")
    await reader.ask("join", room="lobby", cursor="0:0000000000000000")
    posted = 0
    for _ in range(60):
        act = rng.choice(["post", "post", "post", "stall", "wake", "leave"])
        if act == "post":
            for _ in range(rng.randint(1, 5)):
                poster.command("post", room="lobby", nonce=f"n{posted}", text="hello")
                posted += 1
            if rng.random() < 0.5:
                await poster.ask("ping")
        elif act == "stall":
            reader.transport.stall()
        elif act == "wake":
            reader.transport.wake()
        else:
            reader.transport.wake()
            await reader.ask("leave", room="lobby")
            frames = [f for f in reader.transport.frames() if f["type"] in ("entry", "joined")]
            last = frames[-1]
            cursor = last["cursor"] if last["type"] == "joined" else f"{last['offset']}:{last['chain']}"
            await reader.ask("join", room="lobby", cursor=cursor)
    reader.transport.wake()

    await reader.sees(list(range(1, posted + 1)))


async def test_more_than_a_page_comes_by_joining_again(arrive: Arrive) -> None:
    """With more than 500 entries to tell, ``more`` is set, nothing is pushed meanwhile, and the next join goes on."""
    alice, bob = arrive("alice"), arrive("bob")
    for number in range(1203):
        alice.command("post", room="lobby", nonce=f"n{number}", text="hello")
    await eventually(lambda: len(alice.transport.of("stored")) == 1203)

    reply = await bob.ask("join", room="lobby", cursor="0:0000000000000000")
    pages = [reply]
    while reply["more"]:
        reply = await bob.ask("join", room="lobby", cursor=reply["cursor"])
        pages.append(reply)
    alice.command("post", room="lobby", nonce="last", text="hello")

    await bob.sees(list(range(1, 1205)))
    assert [len(page["entries"]) for page in pages] == [500, 500, 203]


async def test_a_client_that_does_not_ask_for_the_rest_is_sent_it(arrive: Arrive) -> None:
    """A room does not fall silent after ``more``: the rest is pushed after a while."""
    alice, bob = arrive("alice"), arrive("bob")
    for number in range(750):
        alice.command("post", room="lobby", nonce=f"n{number}", text="hello")
    await eventually(lambda: len(alice.transport.of("stored")) == 750)

    reply = await bob.ask("join", room="lobby", cursor="0:0000000000000000")

    assert reply["more"] is True
    await bob.sees(list(range(1, 751)))


async def test_a_join_that_is_refused_changes_nothing(node: Node, arrive: Arrive) -> None:
    """A member whose second join the store could not serve is still one, and misses nothing."""
    alice = arrive()
    first = await alice.ask("join", room="lobby")
    read = node.broker.read

    async def fail(*_arguments: object) -> Page:
        raise Unavailable("a cable")

    node.broker.read = fail  # type: ignore[method-assign]
    again = await alice.ask("join", room="lobby", cursor=first["cursor"])
    node.broker.read = read  # type: ignore[method-assign]
    await alice.ask("post", room="lobby", nonce="a", text="hello")

    assert again["code"] == "unavailable"
    await alice.sees([1])


async def test_a_cursor_of_another_history_is_reset(arrive: Arrive) -> None:
    """A chain that differs, or an offset beyond the top, gets the newest entries and ``reset``."""
    alice = arrive()
    for number in range(60):
        await alice.ask("post", room="lobby", nonce=f"n{number}", text="hello")

    for cursor in ("10:ffffffffffffffff", "61:0123456789abcdef"):
        reply = await alice.ask("join", room="lobby", cursor=cursor, limit=5)
        assert reply["reset"] is True
        assert [entry["offset"] for entry in reply["entries"]] == [56, 57, 58, 59, 60]


async def test_an_empty_room_is_let_go(node: Node, arrive: Arrive) -> None:
    """A room without members is unsubscribed after a while, and opens again with all that was posted meanwhile."""
    alice = arrive()
    await alice.ask("join", room="lobby")
    await alice.ask("leave", room="lobby")
    now = node.now()

    await node.hub.sweep(now, linger_s=30)
    kept = node.hub.get("lobby")
    await node.hub.sweep(now + 31, linger_s=30)
    gone = node.hub.get("lobby")
    await alice.ask("post", room="lobby", nonce="a", text="nobody hears")
    reply = await alice.ask("join", room="lobby")

    assert kept is not None
    assert gone is None
    assert [entry["offset"] for entry in reply["entries"]] == [1]


async def test_a_client_that_takes_nothing_for_too_long_is_closed_as_slow(node: Node, arrive: Arrive) -> None:
    """``slow_s`` after its socket filled up a client is closed with 4001, to come back from its cursor."""
    slow = arrive("slow")
    await slow.ask("join", room="lobby")
    slow.transport.stall()
    slow.transport.send(b"")
    slow.connection.paused_writing()
    slow.connection.paused_since = node.now() - node.limits.slow_s - 1

    for _ in range(16):
        await node._look()

    assert slow.transport.closed is not None
    assert slow.transport.closed[0] == CloseCode.SLOW
