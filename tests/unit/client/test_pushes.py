"""What the server says, read into values."""

from __future__ import annotations

import json

import pytest

from datchat.chat import wire
from datchat.chat.model import START, Cursor, RoomId, StoreState, User
from datchat.client.pushes import (
    Bye,
    Hello,
    Joined,
    Left,
    Pong,
    ReadNews,
    RefusedPush,
    RoomNews,
    RosterNews,
    Stored,
    StoreNews,
    TypingNews,
    decode_push,
)
from datchat.errors import RateLimited, Unavailable

ALICE = User("u_1", "alice")
AT = Cursor(42, "9f0c2d1e5a7b3c48")


def test_hello() -> None:
    """The first frame of a connection, as the server writes it."""
    hello = decode_push(wire.hello("web1", ["10.0.0.1"], ALICE, 7.5, StoreState(state="degraded", copies=2)))
    assert isinstance(hello, Hello)
    assert (hello.protocol, hello.node.name, hello.node.addresses) == (1, "web1", ("10.0.0.1",))
    assert (hello.user, hello.ping_s, hello.limits.text) == (ALICE, 7.5, wire.MAX_TEXT)
    assert (hello.store.state, hello.store.copies) == ("degraded", 2)


def test_joined_keeps_the_entries_bytes() -> None:
    """Entries come out byte for byte: the chain runs over them."""
    from support.scripted_server import Log

    log = Log("lobby")
    entries = [log.append(text) for text in ("one", 'two "quoted" ü\n')]
    answer = decode_push(
        wire.joined(
            wire.Join(room=RoomId("lobby"), id=7), entries, log.cursor, more=True, reset=False, members=[ALICE], count=1
        )
    )
    assert isinstance(answer, Joined)
    assert [wire.parse_entry(bytes(raw)) for raw in answer.entries] == entries
    assert (answer.id, answer.more, answer.reset, answer.members, answer.count) == (7, True, False, [ALICE], 1)
    assert Cursor.parse(answer.cursor) == log.cursor


def test_answers() -> None:
    """Acknowledgements and refusals carry what the outbox needs."""
    stored = decode_push(wire.stored("n1", "lobby", "n1", AT, 3, True))
    assert stored == Stored(
        room=RoomId("lobby"), nonce="n1", offset=42, cursor=str(AT), copies=3, duplicate=True, id="n1"
    )
    assert isinstance(stored, Stored)
    assert stored.place == AT
    assert decode_push(wire.refused("n1", RateLimited("slow down", 120))) == RefusedPush(
        "rate_limited", "slow down", True, 120, "n1"
    )
    assert decode_push(wire.refused(None, Unavailable("no"))) == RefusedPush("unavailable", "no", True, None, None)
    assert decode_push(wire.left(wire.Leave(room=RoomId("lobby"), id=3))) == Left(RoomId("lobby"), 3)
    assert decode_push(wire.pong(wire.Ping(id="x"))) == Pong("x")


def test_what_is_told_in_passing() -> None:
    """Typing, rosters, rooms, markers, the store, goodbye."""
    assert decode_push(wire.typing("lobby", ALICE)) == TypingNews(RoomId("lobby"), ALICE)
    assert decode_push(wire.roster("lobby", 2, [ALICE], [])) == RosterNews(RoomId("lobby"), 2, [ALICE], [])
    assert decode_push(wire.read("lobby", 9)) == ReadNews(RoomId("lobby"), 9)
    assert decode_push(wire.store(StoreState(state="ok"))) == StoreNews("ok", None, 1, 0)
    assert decode_push(wire.bye("draining", 200)) == Bye("draining", 200)
    room = decode_push(wire.room_changed("created", {"id": "den", "title": "Den", "private": True, "new": 1}, "u_2"))
    assert isinstance(room, RoomNews)
    assert (room.change, room.room.id, room.room.private, room.user) == ("created", "den", True, "u_2")


def test_unknown_pushes_and_fields_are_ignored() -> None:
    """A newer server may say more than this client knows."""
    assert decode_push(b'{"type":"horoscope","sign":"cancer"}') is None
    assert decode_push(b'{"type":"pong","id":1,"new":[1,2]}') == Pong(1)


@pytest.mark.parametrize(
    "frame", [b"", b"{", b"[]", b"null", b'{"type":1}', b'{"id":1}', b'{"type":"stored"}', b'{"type":"bye","reason":1}']
)
def test_what_is_no_push(frame: bytes) -> None:
    """A push of a known type with wrong fields, or no push at all, is an error and not silence."""
    with pytest.raises(ValueError, match="not a push"):
        decode_push(frame)


def test_an_empty_log_has_a_cursor() -> None:
    """The cursor of an empty room is the start."""
    frame = wire.joined(wire.Join(room=RoomId("lobby")), [], START, more=False, reset=False, members=[], count=0)
    assert json.loads(frame)["cursor"] == str(START)
