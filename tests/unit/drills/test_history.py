"""What a client's observer writes down."""

from __future__ import annotations

import pytest

from datchat.chat import wire
from datchat.chat.model import Entry, RoomId
from datchat.client import (
    ClientFailure,
    Cursor,
    Ended,
    NotStored,
    OutboxFull,
    Refused,
    Reset,
    RoomEntry,
    Stored,
    Unconfirmed,
)
from datchat.client.pushes import NodeName
from datchat.drills.history import History, Outcome, Strayed
from support.drafts import message

LOBBY = RoomId("lobby")
POST = wire.Post(room=LOBBY, nonce="n1", text="hello")


def test_an_acknowledged_post() -> None:
    """Both times, and the place that it was given."""
    history = History()
    recorder = history.recorder("alice")
    recorder.invoked(1.0, POST)
    assert history.operations[0].outcome is Outcome.UNDER_WAY
    place = Cursor(3, "f" * 16)
    recorder.completed(2.0, POST, Stored(LOBBY, "n1", 3, str(place), 3, False))
    (operation,) = history.acknowledged()
    assert (operation.client, operation.nonce, operation.text, operation.place) == ("alice", "n1", "hello", place)
    assert (operation.invoked_at, operation.completed_at) == (1.0, 2.0)


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (Refused("too_large", "too large"), Outcome.FAILED),
        (Refused("stale_nonce", "an earlier try may have been taken"), Outcome.UNKNOWN),
        (NotStored("never sent"), Outcome.FAILED),
        (Unconfirmed("sent, not answered"), Outcome.UNKNOWN),
        (Ended(4500, "ended"), Outcome.UNKNOWN),
        (OutboxFull("full"), Outcome.UNKNOWN),
    ],
    ids=repr,
)
def test_only_what_is_definite_counts_as_failed(failure: ClientFailure, outcome: Outcome) -> None:
    """Of everything else nothing is known."""
    history = History()
    recorder = history.recorder("alice")
    recorder.invoked(1.0, POST)
    recorder.completed(2.0, POST, failure)
    assert history.operations[0].outcome is outcome
    assert type(failure).__name__ in history.operations[0].reason


def test_what_is_shown() -> None:
    """Entries by client and room with all that a chain covers; resets; connections."""
    history = History()
    recorder = history.recorder("alice")
    body = wire.stored_bytes(message("hello", nonce="n1"))
    entry = RoomEntry(Entry(LOBBY, 1, "a" * 16, body))
    recorder.connected(0.0, NodeName("web1"), "ws://host")
    recorder.received(1.0, entry)
    recorder.reset(2.0, Reset(LOBBY, Cursor(1, "a" * 16), (), Cursor(0, "0" * 16)))
    (seen,) = history.seen["alice", "lobby"]
    assert (seen.at, seen.entry.offset, seen.entry.body) == (1.0, 1, body)
    assert (seen.entry.nonce, seen.entry.text) == ("n1", "hello")
    assert history.resets[0].lost == Cursor(1, "a" * 16)
    assert history.connections == [(0.0, "alice", "web1")]


def test_what_was_sent_out_of_turn() -> None:
    """The client makes up for it; the history holds it against the server."""
    history = History()
    history.recorder("alice").strayed(1.0, LOBBY, Cursor(3, "f" * 16), 5)
    assert history.strays == [Strayed("alice", "lobby", 1.0, 3, 5)]


def test_the_longest_silence() -> None:
    """Between two acknowledgements, or an edge of the time asked for and the nearest one."""
    history = History()
    recorder = history.recorder("alice")
    for number, at in enumerate((1.0, 1.5, 4.5, 5.0)):
        command = wire.Post(room=LOBBY, nonce=f"n{number}", text="hello")
        recorder.invoked(at, command)
        recorder.completed(at, command, Stored(LOBBY, command.nonce, 1, f"1:{'a' * 16}", 3, False))
    assert history.longest_silence_s(1.0, 5.0) == 3.0
    assert history.longest_silence_s(4.5, 9.0) == 4.0
    assert history.longest_silence_s(10.0, 12.0) == 2.0
