"""What a view and a standing cost, in steps of SQLite's machine: the page or the rooms, and not the history."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection

import pytest

from datchat.backends.sqlite import log, rooms, schema
from datchat.backends.sqlite.appends import Appends
from datchat.chat import wire
from datchat.chat.model import LOBBY, Draft, Receipt
from support.drafts import ALICE, BOB, deletion, edit, message, reaction

PAGE = 50


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    with closing(sqlite3.connect(tmp_path / "chat.db", isolation_level=None)) as opened:
        schema.create(opened)
        opened.execute("PRAGMA synchronous = OFF")
        yield opened


def store(connection: Connection, drafts: Sequence[Draft]) -> None:
    connection.execute("BEGIN")
    outcomes = Appends(connection).store([(draft, wire.stored_bytes(draft)) for draft in drafts])
    connection.execute("COMMIT")
    assert all(isinstance(outcome, Receipt) for outcome in outcomes)


def steps(connection: Connection, act: Callable[[], object]) -> int:
    """How many steps SQLite takes."""
    taken = 0

    def step() -> int:
        nonlocal taken
        taken += 1
        return 0

    connection.set_progress_handler(step, 1)
    act()
    connection.set_progress_handler(None, 0)
    return taken


def about(count: object) -> object:
    """A step more or less, as a cursor ends at a neighbour or not."""
    return pytest.approx(count, rel=0.01)


def view_steps(connection: Connection, before: int | None = None) -> int:
    return steps(connection, lambda: log.view(connection, LOBBY, before, PAGE))


def test_a_view_does_not_feel_the_history(connection: Connection) -> None:
    """A page of a long log costs what a page of a short one does, at its end and in its middle."""
    store(connection, [message() for _ in range(PAGE + 1)])
    little = view_steps(connection)
    for _ in range(20):
        store(connection, [message() for _ in range(500)])
    assert view_steps(connection) == about(little)
    assert view_steps(connection, 5000) == about(little)


def test_a_view_does_not_feel_changes_elsewhere(connection: Connection) -> None:
    """Edits and reactions of messages outside of the page cost it nothing, also when they are the newest entries."""
    store(connection, [message() for _ in range(2 * PAGE)])
    little = view_steps(connection)
    store(connection, [edit(number % PAGE + 1) for number in range(1000)])
    store(connection, [reaction(number % PAGE + 1, f"e{number}") for number in range(1000)])
    assert view_steps(connection) == about(little)


def test_a_view_does_not_feel_how_often_a_reaction_was_toggled(connection: Connection) -> None:
    """A reaction costs once, however often it was put on and off; likewise an edit."""
    store(connection, [message() for _ in range(PAGE + 1)])
    store(connection, [reaction(PAGE), edit(PAGE)])
    little = view_steps(connection)
    store(connection, [reaction(PAGE, on=number % 2 == 1) for number in range(1000)])
    store(connection, [edit(PAGE) for _ in range(1000)])
    store(connection, [reaction(PAGE, f"e{number // 2}", on=number % 2 == 0) for number in range(1000)])
    assert view_steps(connection) == about(little)


def test_a_deleted_message_keeps_no_reactions(connection: Connection) -> None:
    """They are gone from the index, whether they came in the batch of the deletion or before; others' stay."""
    store(connection, [message(), message(), reaction(1), reaction(2)])
    store(connection, [reaction(1, "🎉"), deletion(1)])
    store(connection, [message(), reaction(7), deletion(7)])
    assert connection.execute("SELECT target FROM reactions").fetchall() == [(2,)]


def test_standings_do_not_feel_the_history(connection: Connection) -> None:
    """Counting unread messages costs the same in a long log, also when one wrote it all oneself."""

    def standing_steps(user_id: str) -> int:
        return steps(connection, lambda: rooms._standings(connection, user_id))

    store(connection, [message(author=author) for author in (ALICE, BOB)])
    little = {user: standing_steps(user) for user in ("u_alice", "u_bob")}
    for _ in range(10):
        store(connection, [message(author=ALICE) for _ in range(500)])
    assert {user: standing_steps(user) for user in ("u_alice", "u_bob")} == about(little)


def test_an_append_does_not_feel_the_history(connection: Connection) -> None:
    """Rules, nonces and counts are looked up, not searched for."""

    def append_steps() -> int:
        drafts = [(draft, wire.stored_bytes(draft)) for draft in (message(reply_to=1), edit(1), reaction(2))]
        return steps(connection, lambda: Appends(connection).store(drafts))

    store(connection, [message() for _ in range(3)])
    little = append_steps()
    for _ in range(10):
        store(connection, [message() for _ in range(500)])
    assert append_steps() <= little * 1.1
