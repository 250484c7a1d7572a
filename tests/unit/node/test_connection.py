"""One client's commands, answers and refusals; closing for each of its reasons."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest

from datchat.chat.model import CONTROL, RoomId, SessionEnded
from datchat.errors import CloseCode, Unavailable
from datchat.node.connection import BAD_COMMANDS, MAX_UNDER_WAY
from datchat.node.lifecycle import Node
from datchat.node.limits import Limits
from support.eventually import eventually

from .conftest import Client

Arrive = Callable[..., Client]


async def test_hello_is_the_first_frame(arrive: Arrive) -> None:
    """It names the node, its addresses, the user, the limits and how the store is."""
    frame = arrive("alice").transport.frames()[0]

    assert frame == {
        "type": "hello",
        "protocol": 1,
        "node": {"name": "web0", "addresses": ["10.0.0.3"]},
        "user": {"id": "u_alice", "name": "alice"},
        "ping_s": 15.0,
        "limits": {"text": 4000, "frame": 65536},
        "store": {"state": "ok", "master": None, "copies": 1, "since_ms": 0},
    }


async def test_a_post_is_acknowledged_with_its_place(arrive: Arrive) -> None:
    """``stored`` echoes id and nonce, says offset, cursor and copies; for the same nonce again, duplicate."""
    alice = arrive()

    first = await alice.ask("post", room="lobby", nonce="a", text="hello")
    again = await alice.ask("post", room="lobby", nonce="a", text="hello")

    assert (first["type"], first["nonce"], first["offset"], first["copies"]) == ("stored", "a", 1, 1)
    assert first["duplicate"] is False
    assert again["duplicate"] is True
    assert again["cursor"] == first["cursor"]


async def test_a_stale_draft_is_refused(arrive: Arrive, node: Node) -> None:
    """Past the window a double could not be ruled out: ``stale_nonce``, not to be retried."""
    window_ms = int(node.limits.nonce_window_s * 1000)

    reply = await arrive().ask("post", room="lobby", nonce="a", text="hello", age_ms=window_ms + 1)
    in_time = await arrive().ask("post", room="lobby", nonce="b", text="hello", age_ms=window_ms)

    assert (reply["code"], reply["retry"]) == ("stale_nonce", False)
    assert in_time["type"] == "stored"


async def test_an_unknown_room_is_refused(arrive: Arrive) -> None:
    """Join, post and typing into a room that isn't there get ``no_such_room``."""
    alice = arrive()

    for kind, fields in (("join", {}), ("post", {"nonce": "a", "text": "x"}), ("typing", {}), ("read", {"offset": 1})):
        reply = await alice.ask(kind, room="nowhere", **fields)
        assert reply["code"] == "no_such_room", kind


async def test_twenty_bad_commands_close_the_connection(arrive: Arrive) -> None:
    """Each gets ``bad_command`` and the connection lives on, until the twentieth within a minute."""
    alice = arrive()

    for _ in range(BAD_COMMANDS - 1):
        alice.connection.received(b"{")
    living = alice.transport.closed
    alice.connection.malformed("a binary frame")

    assert living is None
    assert alice.transport.closed is not None
    assert alice.transport.closed[0] == CloseCode.BAD_COMMANDS
    assert [frame["code"] for frame in alice.transport.of("refused")] == ["bad_command"] * BAD_COMMANDS


async def test_bad_commands_in_the_course_of_time_are_forgiven(arrive: Arrive, node: Node) -> None:
    """Nineteen, and more than a minute later one more, close nothing."""
    alice = arrive()
    for _ in range(BAD_COMMANDS - 1):
        alice.connection.received(b"{")
    node.now = lambda clock=node.now: clock() + 61  # type: ignore[misc]

    alice.connection.received(b"{")

    assert alice.transport.closed is None


async def test_typing_reaches_the_others(arrive: Arrive) -> None:
    """Members see who types; the one who types does not, and twice within a second is once."""
    alice, bob = arrive("alice"), arrive("bob")
    await alice.ask("join", room="lobby")
    await bob.ask("join", room="lobby")

    alice.command("typing", room="lobby")
    alice.command("typing", room="lobby")
    await eventually(lambda: bob.transport.of("typing"))
    await bob.ask("ping")

    assert bob.transport.of("typing") == [
        {"type": "typing", "room": "lobby", "user": {"id": "u_alice", "name": "alice"}}
    ]
    assert alice.transport.of("typing") == []


async def test_a_marker_reaches_the_users_other_connections(arrive: Arrive) -> None:
    """``read`` goes to one's other sockets and nobody else's."""
    here, there, bob = arrive("alice", "s-here"), arrive("alice", "s-there"), arrive("bob")
    for client in (here, there, bob):
        await client.ask("join", room="lobby")
    await bob.ask("post", room="lobby", nonce="a", text="hello")

    here.command("read", room="lobby", offset=1)
    await eventually(lambda: there.transport.of("read"))
    # A marker that did not move is no news.
    await here.ask("read", room="nowhere", offset=1)
    here.command("read", room="lobby", offset=1)
    await here.ask("read", room="nowhere", offset=1)
    await bob.ask("ping")

    assert there.transport.of("read") == [{"type": "read", "room": "lobby", "offset": 1}]
    assert here.transport.of("read") == []
    assert bob.transport.of("read") == []


async def test_arrivals_are_gathered_into_one_push(arrive: Arrive) -> None:
    """Those who come within a moment are told together; ``joined`` counts them all at once."""
    alice = arrive("alice")
    first = await alice.ask("join", room="lobby")
    await eventually(lambda: alice.transport.of("roster"))

    for number in range(5):
        reply = await arrive(f"guest{number}").ask("join", room="lobby")
    await eventually(lambda: alice.transport.of("roster")[-1]["count"] == 6)

    assert [member["name"] for member in first["members"]] == ["alice"]
    assert reply["count"] == 6
    told = [user["name"] for push in alice.transport.of("roster")[1:] for user in push["joined"]]
    assert sorted(told) == [f"guest{number}" for number in range(5)]


async def test_a_crowd_is_told_as_a_count(arrive: Arrive) -> None:
    """With more than 100 present nobody is named in ``roster``, and at most 100 in ``joined``."""
    alice = arrive("alice")
    await alice.ask("join", room="lobby")
    for number in range(105):
        reply = await arrive(f"guest{number}").ask("join", room="lobby")

    push = await eventually(lambda: next((push for push in alice.transport.of("roster") if push["count"] == 106), None))

    assert push is not None
    assert push["joined"] == []
    assert (reply["count"], len(reply["members"])) == (106, 100)


async def test_a_member_that_leaves_is_told(arrive: Arrive) -> None:
    """Leaving and losing the socket both take one off the roster; one's other socket keeps one there."""
    alice, bob, again = arrive("alice"), arrive("bob", "s1"), arrive("bob", "s2")
    for client in (alice, bob, again):
        await client.ask("join", room="lobby")
    await eventually(lambda: alice.transport.of("roster") and alice.transport.of("roster")[-1]["count"] == 2)

    await bob.ask("leave", room="lobby")
    still = len(alice.transport.of("roster"))
    again.connection.closed()
    await eventually(lambda: alice.transport.of("roster")[-1]["count"] == 1)

    assert [user["name"] for push in alice.transport.of("roster")[still:] for user in push["left"]] == ["bob"]


async def test_an_ended_session_closes_its_sockets(arrive: Arrive, node: Node) -> None:
    """4500 for the sockets of that session alone, with a ``bye`` that says no time to come back."""
    ended, other = arrive("alice", "s-ended"), arrive("alice", "s-other")

    await node.broker.signal(CONTROL, SessionEnded("s-ended"))
    await eventually(lambda: ended.transport.closed)

    assert ended.transport.closed is not None
    assert ended.transport.closed[0] == CloseCode.SESSION_ENDED
    assert ended.transport.of("bye") == [{"type": "bye", "reason": "the session has ended", "retry_after_ms": None}]
    assert other.transport.closed is None


class TestForgottenSessions:
    """Sessions that ended without a signal."""

    @pytest.fixture
    def limits(self) -> Limits:
        return Limits(session_check_s=0.02)

    async def test_are_found(self, arrive: Arrive) -> None:
        """A socket whose session the store does not know (any more) is closed at the next look."""
        ghost = arrive("ghost")

        await eventually(lambda: ghost.transport.closed)

        assert ghost.transport.closed is not None
        assert ghost.transport.closed[0] == CloseCode.SESSION_ENDED


async def test_a_silent_connection_is_closed(arrive: Arrive, node: Node) -> None:
    """One that shows no sign of life for two pings gets 4002; one that does gets a ping."""
    silent, alive = arrive("silent"), arrive("alive")
    silent.connection.last_seen = node.now() - 2 * node.limits.ping_s

    for _ in range(16):
        await node._look()

    assert silent.transport.closed is not None
    assert silent.transport.closed[0] == CloseCode.SILENT
    assert (alive.transport.closed, alive.transport.pings) == (None, 1)


async def test_a_drain_says_bye_to_everybody(arrive: Arrive, node: Node) -> None:
    """4000 and a spread time to come back; no new socket is taken meanwhile."""
    clients = [arrive(f"guest{number}") for number in range(20)]

    await node.drain(0.1)

    assert all(client.transport.closed and client.transport.closed[0] == CloseCode.DRAINING for client in clients)
    waits = {client.transport.of("bye")[0]["retry_after_ms"] for client in clients}
    assert len(waits) > 10
    assert node.full()


async def test_a_drain_tells_who_shakes_hands_during_it(arrive: Arrive, node: Node) -> None:
    """Somebody let in just before, whose socket opens while others are being sent on, is sent on as well."""
    early = [arrive(f"guest{number}") for number in range(5)]
    draining = asyncio.create_task(node.drain(0.4))
    await eventually(lambda: any(client.transport.closed for client in early))

    late = arrive("late")
    await draining

    assert late.transport.closed is not None
    assert late.transport.closed[0] == CloseCode.DRAINING


async def test_a_client_with_too_much_under_way_is_not_read(arrive: Arrive, node: Node) -> None:
    """Past a number of unanswered commands the node stops reading the socket, and goes on when they are answered."""
    alice = arrive()
    await alice.ask("join", room="lobby")

    for number in range(MAX_UNDER_WAY):
        alice.command("post", room="lobby", nonce=f"n{number}", text="hello")
    paused = not alice.transport.reading
    await eventually(lambda: len(alice.transport.of("stored")) == MAX_UNDER_WAY)

    assert paused
    assert alice.transport.reading


class TestRates:
    """The limits of what one may send."""

    @pytest.fixture
    def limits(self) -> Limits:
        return Limits(post_rate=2, command_rate=1)

    async def test_posts_are_limited_by_account(self, arrive: Arrive) -> None:
        """After the burst ``rate_limited`` says when to try again; another account is not touched."""
        alice, twin, bob = arrive("alice", "s1"), arrive("alice", "s2"), arrive("bob")
        replies = [await alice.ask("post", room="lobby", nonce=f"n{n}", text="hello") for n in range(20)]

        refused = await twin.ask("post", room="lobby", nonce="x", text="hello")
        other = await bob.ask("post", room="lobby", nonce="x", text="hello")

        assert {reply["type"] for reply in replies} == {"stored"}
        assert (refused["code"], refused["retry"]) == ("rate_limited", True)
        assert 0 < refused["retry_after_ms"] <= 500
        assert other["type"] == "stored"

    async def test_other_commands_are_limited_by_connection(self, arrive: Arrive) -> None:
        """Joining over and over is refused after the burst; posting goes on."""
        alice = arrive()
        replies = [await alice.ask("leave", room="lobby") for _ in range(11)]

        post = await alice.ask("post", room="lobby", nonce="a", text="hello")

        assert [reply["type"] for reply in replies] == ["left"] * 10 + ["refused"]
        assert replies[-1]["code"] == "rate_limited"
        assert post["type"] == "stored"


async def test_commands_are_carried_out_in_order(arrive: Arrive) -> None:
    """Posts of one connection are stored in the order in which they came, also around a first look at the room."""
    alice = arrive()

    for number in range(50):
        alice.connection.received(
            json.dumps({"type": "post", "room": "lobby", "nonce": f"n{number}", "text": str(number)}).encode()
        )
    await eventually(lambda: len(alice.transport.of("stored")) == 50)

    assert [(reply["nonce"], reply["offset"]) for reply in alice.transport.of("stored")] == [
        (f"n{number}", number + 1) for number in range(50)
    ]


async def test_readiness_writes_and_hears(node: Node) -> None:
    """A running node proves itself; one that is deaf says so within its limit."""
    await node.ready()
    assert node.store_state().state == "ok"


class TestDeaf:
    """A node whose feed tells it nothing."""

    @pytest.fixture
    def limits(self) -> Limits:
        return Limits(ready_s=0.05)

    async def test_is_not_ready(self, node: Node) -> None:
        """Writes succeed, the canary is not heard: unready, with the reason."""
        await node.broker.unsubscribe(CONTROL)

        with pytest.raises(Exception, match="canary"):
            await node.ready()


async def test_renaming_and_archiving_are_the_moderators(arrive: Arrive, node: Node) -> None:
    """The creator may; others get ``forbidden``; an archived room takes no posts; members are told."""
    alice, bob = arrive("alice"), arrive("bob")
    await node.create_room(alice.connection.user, RoomId("den"), "Den", private=False)
    await bob.ask("join", room="den")

    with pytest.raises(Exception, match="moderator"):
        await node.update_room(bob.connection.user, RoomId("den"), title="Bob's")
    await node.update_room(alice.connection.user, RoomId("den"), archived=True)
    refused = await bob.ask("post", room="den", nonce="a", text="hello")
    await eventually(lambda: len(bob.transport.of("room")) == 2)

    assert refused["code"] == "no_such_room"
    assert [push["change"] for push in bob.transport.of("room")] == ["created", "archived"]


async def test_a_private_room_is_for_its_members(arrive: Arrive, node: Node) -> None:
    """Others get ``not_a_member`` and hear nothing of it; one who is let in is told; one who is taken out leaves."""
    alice, bob, eve = arrive("alice"), arrive("bob"), arrive("eve")
    den = RoomId("den")
    await node.create_room(alice.connection.user, den, "Den", private=True)
    refused = await bob.ask("join", room="den")
    await node.add_member(alice.connection.user, den, bob.connection.user.id)
    joined = await bob.ask("join", room="den")

    await node.remove_member(alice.connection.user, den, bob.connection.user.id)
    await eventually(lambda: bob.transport.of("left"))
    await alice.ask("post", room="den", nonce="a", text="gone?")
    again = await bob.ask("post", room="den", nonce="b", text="still here?")

    assert refused["code"] == "not_a_member"
    assert joined["type"] == "joined"
    assert again["code"] == "not_a_member"
    assert bob.transport.of("entry") == []
    assert [push["change"] for push in bob.transport.of("room")] == ["member_added", "member_removed"]
    assert eve.transport.of("room") == []


async def test_a_removed_member_leaves_though_the_signal_was_lost(arrive: Arrive, node: Node) -> None:
    """The next look finds who is in a private room and belongs there no more; public rooms and members stay as is."""
    alice, bob = arrive("alice"), arrive("bob")
    den = RoomId("den")
    await node.create_room(alice.connection.user, den, "Den", private=True)
    await node.add_member(alice.connection.user, den, bob.connection.user.id)
    for client in (alice, bob):
        for room in ("den", "lobby"):
            assert (await client.ask("join", room=room))["type"] == "joined"

    await node.rooms.remove_member(den, bob.connection.user.id)
    await node._check_members()

    assert [push["room"] for push in bob.transport.of("left")] == ["den"]
    assert bob.connection.in_room(RoomId("lobby"))
    assert alice.connection.in_room(den)
    assert alice.transport.of("left") == []


async def test_what_was_done_is_done_though_nobody_hears_of_it(arrive: Arrive, node: Node) -> None:
    """A store that fails between a deed and its signal leaves the deed: no error, and no ``taken`` at a second try."""
    alice = arrive("alice")

    async def fail(*_arguments: object) -> None:
        raise Unavailable("a cable")

    node.broker.signal = fail  # type: ignore[method-assign]
    created = await node.create_room(alice.connection.user, RoomId("den"), "Den", private=False)
    await node.end_session("s-somebody")

    assert await node.rooms.get(RoomId("den")) == created
