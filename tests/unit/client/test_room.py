"""Reading a room: gapless and once, through gaps, repeats, pages, resets and losses."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from datchat.chat import wire
from datchat.chat.model import START, Cursor, Entry
from datchat.client import Diverged, Refused, Reset, Room, RoomEntry
from support.eventually import eventually
from support.scripted_server import ALICE, BOB, Command, Peer, ScriptedServer
from unit.client.conftest import Notes, client


async def take(room: Room, count: int) -> list[int]:
    """The offsets of the next entries."""
    offsets = []
    async with asyncio.timeout(10):
        while len(offsets) < count:
            event = await anext(room)
            assert isinstance(event, RoomEntry)
            offsets.append(event.offset)
    return offsets


async def test_joining_brings_the_newest_and_then_what_comes(server: ScriptedServer) -> None:
    """The newest ``limit`` entries, then every push, with what each says."""
    for number in range(5):
        server.lobby.append(f"message {number}")
    async with client(server) as chat:
        room = await chat.join("lobby", limit=2)
        assert await take(room, 2) == [4, 5]
        server.peer.push(server.lobby.append("six"))
        event = await anext(room)
        assert isinstance(event, RoomEntry)
        assert (event.offset, event.text, event.author, event.kind) == (6, "six", BOB, "message")
        assert room.cursor == server.lobby.cursor
        assert [user.name for user in room.members] == ["alice", "bob"]


async def test_joining_with_a_cursor_brings_everything_after_it(server: ScriptedServer) -> None:
    """As a cursor or as its text."""
    for number in range(5):
        server.lobby.append(f"message {number}")
    for cursor in (server.lobby.entries[1].cursor, str(server.lobby.entries[1].cursor)):
        async with client(server) as chat:
            assert await take(await chat.join("lobby", cursor), 3) == [3, 4, 5]


async def test_an_empty_room_has_a_cursor_to_come_back_with(server: ScriptedServer) -> None:
    """Even before the first entry a reader knows where it stands."""
    async with client(server) as chat:
        room = await chat.join("lobby")
        assert room.cursor == START


async def test_more_is_fetched_page_after_page(server: ScriptedServer) -> None:
    """``more: true`` is answered by joining again from the new cursor, until level."""
    server.page = 10
    for number in range(35):
        server.lobby.append(f"message {number}")
    async with client(server) as chat:
        room = await chat.join("lobby", START)
        assert await take(room, 35) == list(range(1, 36))
        assert len(server.peer.of("join")) == 4
        server.peer.push(server.lobby.append("live"))
        assert await take(room, 1) == [36]


async def test_repeats_are_dropped(server: ScriptedServer, notes: Notes) -> None:
    """A push that comes again is shown once; an observer is told of it."""
    async with client(server, notes) as chat:
        room = await chat.join("lobby")
        one, two = server.lobby.append("one"), server.lobby.append("two")
        server.peer.push(one, one, two, one, two)
        server.peer.push(server.lobby.append("three"))
        assert await take(room, 3) == [1, 2, 3]
        assert notes.of("strayed") == [("lobby", 1, 1), ("lobby", 2, 1), ("lobby", 2, 2)]


async def test_a_gap_is_filled_from_the_log(server: ScriptedServer, notes: Notes) -> None:
    """
    A push that was left out shows by the next: the room is joined again from the cursor, once; an observer is told.
    """
    async with client(server, notes) as chat:
        room = await chat.join("lobby")
        server.peer.push(server.lobby.append("one"))
        server.lobby.append("left out")
        server.peer.push(server.lobby.append("three"), server.lobby.append("four"))
        assert await take(room, 4) == [1, 2, 3, 4]
        assert [join.get("cursor") for join in server.peer.of("join")] == [None, str(server.lobby.entries[0].cursor)]
        assert notes.of("strayed") == [("lobby", 1, 3)]


async def test_a_gap_at_the_end_is_found_by_the_next_push(server: ScriptedServer) -> None:
    """Whatever was lost, nothing later is shown before it."""
    async with client(server) as chat:
        room = await chat.join("lobby")
        for number in range(20):
            entry = server.lobby.append(f"message {number}")
            if number % 3 == 2:
                server.peer.push(entry)
        assert await take(room, 18) == list(range(1, 19))


async def test_a_page_that_begins_too_early(server: ScriptedServer, notes: Notes) -> None:
    """What was shown already is shown once, and an observer is told that it came again."""
    for number in range(4):
        server.lobby.append(f"message {number}")
    server.lobby.after = lambda cursor: server.lobby.entries[cursor.offset - 1 :]  # type: ignore[method-assign]
    async with client(server, notes) as chat:
        assert await take(await chat.join("lobby", server.lobby.entries[1].cursor), 2) == [3, 4]
    assert notes.of("strayed") == [("lobby", 2, 2)]


async def test_after_a_loss_it_goes_on_from_the_cursor(server: ScriptedServer, notes: Notes) -> None:
    """Every connection is cut in turn while entries come: each is seen once, in order."""
    async with client(server, notes) as chat:
        room = await chat.join("lobby")
        for number in range(5):
            server.peer.push(server.lobby.append(f"seen {number}"))
            server.lobby.append(f"missed {number}")
            peer = server.peer
            peer.cut()
            await eventually(lambda peer=peer: server.peer is not peer and server.peer.of("join"))
        assert await take(room, 10) == list(range(1, 11))
        assert notes.of("received") == list(range(1, 11))
        assert chat.reconnects == 5


async def test_a_restart_of_the_server_is_outlived(server: ScriptedServer) -> None:
    """The port refuses for a while; then the client is back by itself, without a gap."""
    async with client(server) as chat:
        room = await chat.join("lobby")
        await server.stop()
        await eventually(lambda: not chat.connected)
        server.lobby.append("meanwhile")
        await server.start()
        assert await take(room, 1) == [1]


async def test_a_reset_is_told_with_the_fresh_entries(server: ScriptedServer, notes: Notes) -> None:
    """The server can't serve the cursor any more: the reader is told to start over, with what."""
    async with client(server, notes) as chat:
        room = await chat.join("lobby")
        server.peer.push(server.lobby.append("one"), server.lobby.append("two"))
        assert await take(room, 2) == [1, 2]
        lost = server.lobby.cursor
        server.lobby.entries.clear()
        for number in range(3):
            server.lobby.append(f"another history {number}")
        server.peer.cut()
        event = await anext(room)
        assert isinstance(event, Reset)
        assert (event.room, event.lost, event.cursor) == ("lobby", lost, server.lobby.cursor)
        assert [entry.text for entry in event.entries] == [f"another history {number}" for number in range(3)]
        assert room.cursor == server.lobby.cursor
        server.peer.push(server.lobby.append("goes on"))
        assert await take(room, 1) == [4]
        assert notes.of("reset") == [event]


async def test_a_reset_at_the_first_join(server: ScriptedServer) -> None:
    """A cursor from another time that this log doesn't know."""
    server.lobby.append("one")
    async with client(server) as chat:
        room = await chat.join("lobby", Cursor(77, "a" * 16))
        event = await anext(room)
        assert isinstance(event, Reset)
        assert event.lost == Cursor(77, "a" * 16)


def forged(entry: Entry) -> Entry:
    return msgspec.structs.replace(entry, body=entry.body.replace(b"hello", b"jello"))


async def test_a_push_that_contradicts_the_chain_ends_the_room(server: ScriptedServer) -> None:
    """What came before is still handed out; then the reader is told; joining anew starts over."""
    async with client(server) as chat:
        room = await chat.join("lobby")
        server.peer.push(server.lobby.append("hello"), forged(server.lobby.append("hello")))
        assert await take(room, 1) == [1]
        with pytest.raises(Diverged) as caught:
            await anext(room)
        assert (caught.value.room, caught.value.cursor) == ("lobby", server.lobby.entries[0].cursor)
        await eventually(lambda: server.peer.of("leave"))
        again = await chat.join("lobby")
        assert await take(again, 2) == [1, 2]


async def test_a_joined_with_a_hole_ends_the_room(server: ScriptedServer) -> None:
    """Entries left out of an answer are found, not passed over."""
    for number in range(3):
        server.lobby.append(f"message {number}")

    def answer(peer: Peer, command: Command) -> None:
        log = server.lobby
        join = wire.Join(room=log.room, id=command["id"])
        peer.say(wire.joined(join, log.entries[1:], log.cursor, more=False, reset=False, members=[], count=0))

    server.answers["join"] = answer
    async with client(server) as chat:
        with pytest.raises(Diverged, match="offset 2 was told next"):
            await chat.join("lobby", START)


async def test_no_such_room(server: ScriptedServer) -> None:
    """A refusal of the first join is raised by it, with its code; the client lives on."""
    server.answers["join"] = lambda peer, command: server.refuse(peer, command, "no_such_room")
    async with client(server) as chat:
        with pytest.raises(Refused, match="no_such_room") as caught:
            await chat.join("den")
        assert caught.value.code == "no_such_room"
        del server.answers["join"]
        await chat.join("lobby")


@pytest.mark.parametrize("after_ms", [None, 20])
async def test_a_join_that_is_refused_for_a_while_is_tried_again(server: ScriptedServer, after_ms: int | None) -> None:
    """``unavailable`` and ``rate_limited`` are no end."""
    code = "unavailable" if after_ms is None else "rate_limited"
    refusals = 2

    def answer(peer: Peer, command: Command) -> None:
        nonlocal refusals
        refusals -= 1
        if refusals >= 0:
            server.refuse(peer, command, code, retry=True, after_ms=after_ms)
        else:
            server.join(peer, command)

    server.answers["join"] = answer
    async with client(server) as chat:
        await chat.join("lobby")
        assert len(server.peer.of("join")) == 3


async def test_a_room_that_lets_one_in_no_more(server: ScriptedServer) -> None:
    """Refused when coming back: the reader is told."""
    async with client(server) as chat:
        room = await chat.join("lobby")
        server.answers["join"] = lambda peer, command: server.refuse(peer, command, "not_a_member")
        server.peer.cut()
        with pytest.raises(Refused, match="not_a_member"):
            await anext(room)


async def test_being_put_out_of_a_room(server: ScriptedServer) -> None:
    """``left`` without having asked for it."""
    async with client(server) as chat:
        room = await chat.join("lobby")
        server.peer.say({"type": "left", "id": None, "room": "lobby"})
        with pytest.raises(Refused, match="put out"):
            await anext(room)


async def test_leaving_ends_the_iteration(server: ScriptedServer) -> None:
    """After what is unread; and the room can be joined again."""
    async with client(server) as chat:
        room = await chat.join("lobby")
        server.peer.push(server.lobby.append("one"))
        await eventually(lambda: room._unread)
        await room.leave()
        seen = [event async for event in room]
        assert len(seen) == 1
        await eventually(lambda: server.peer.of("leave"))
        await chat.join("lobby", room.cursor)


async def test_a_room_has_one_reader(server: ScriptedServer) -> None:
    """Joining it twice is a mistake that is said at once."""
    async with client(server) as chat:
        await chat.join("lobby")
        with pytest.raises(ValueError, match="joined already"):
            await chat.join("lobby")


async def test_past_the_buffer_what_comes_is_let_go_and_fetched_later(server: ScriptedServer) -> None:
    """A reader that is slow costs bounded memory, and still gets everything, in order."""
    async with client(server, buffer=10) as chat:
        room = await chat.join("lobby")
        for number in range(100):
            server.peer.push(server.lobby.append(f"message {number}"))
        reached = asyncio.Event()
        server.answers["ping"] = lambda peer, command: reached.set()
        chat.say(wire.Ping())
        await reached.wait()
        await room.post("and I can still post")
        assert len(room._unread) == 10
        assert await take(room, 101) == list(range(1, 102))
        server.peer.push(server.lobby.append("live again"))
        assert await take(room, 1) == [102]


async def test_a_loss_while_what_comes_is_let_go(server: ScriptedServer) -> None:
    """Coming back with a full buffer joins, for the roster's sake, but takes nothing that doesn't fit."""
    async with client(server, buffer=5) as chat:
        room = await chat.join("lobby")
        for number in range(20):
            server.peer.push(server.lobby.append(f"message {number}"))
        await eventually(lambda: len(room._unread) == 5)
        peer = server.peer
        peer.cut()
        await eventually(lambda: server.peer is not peer and server.peer.of("join"))
        server.lobby.append("meanwhile")
        assert await take(room, 21) == list(range(1, 22))


async def test_rosters_are_kept(server: ScriptedServer, notes: Notes) -> None:
    """Who came and left, and how many are here."""
    async with client(server, notes) as chat:
        room = await chat.join("lobby")
        server.peer.say(wire.roster("lobby", 2, [], [BOB]))
        await eventually(lambda: room.members == [ALICE])
        server.peer.say(wire.roster("lobby", 150, [], []))
        await eventually(lambda: room.count == 150)
        assert len(notes.news) == 2


async def test_the_marker_is_told_again_after_a_loss(server: ScriptedServer) -> None:
    """The highest that was said; typing is not repeated."""
    async with client(server) as chat:
        room = await chat.join("lobby")
        room.typing()
        room.read(7)
        room.read(5)
        await eventually(lambda: [m["offset"] for m in server.peer.of("read")] == [7, 7])
        assert server.peer.of("typing") == [{"type": "typing", "room": "lobby"}]
        peer = server.peer
        peer.cut()
        await eventually(lambda: server.peer is not peer and server.peer.of("read"))
        assert [m["offset"] for m in server.peer.of("read")] == [7]
        assert server.peer.of("typing") == []


async def test_several_rooms_on_one_connection(server: ScriptedServer) -> None:
    """Each has its own cursor, and all come back after a loss."""
    from support.scripted_server import Log

    server.logs["den"] = Log("den")
    async with client(server) as chat:
        lobby, den = await chat.join("lobby"), await chat.join("den")
        server.peer.push(server.lobby.append("one"))
        server.logs["den"].append("meanwhile in the den")
        server.peer.cut()
        assert await take(den, 1) == [1]
        assert await take(lobby, 1) == [1]


async def test_giving_up_a_join(server: ScriptedServer) -> None:
    """Cancelled while the server doesn't answer: the room is left and can be joined later."""
    server.deaf = True
    async with client(server) as chat:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await chat.join("lobby")
        server.deaf = False
        await chat.join("lobby")
