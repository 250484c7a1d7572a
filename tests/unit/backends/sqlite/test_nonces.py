"""Forgetting nonces: late enough, and in the end."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from sqlite3 import Connection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datchat.backends.sqlite import schema
from datchat.backends.sqlite.nonces import Nonces
from support.clock import Clock

WINDOW_S = 60


@pytest.fixture
def connection() -> Iterator[Connection]:
    with closing(database()) as opened:
        yield opened


def database() -> Connection:
    opened = sqlite3.connect(":memory:", isolation_level=None)
    schema.create(opened)
    return opened


def append(connection: Connection, nonces: Nonces, name: str, *, fails: bool = False) -> None:
    """A transaction that stores one nonce, or doesn't."""
    connection.execute("BEGIN")
    nonces.forget(connection)
    connection.execute("INSERT INTO nonces (room, author, nonce, offset) VALUES (1, 'u', ?, 1)", (name,))
    connection.execute("ROLLBACK" if fails else "COMMIT")


def known(connection: Connection) -> set[str]:
    return {row[0] for row in connection.execute("SELECT nonce FROM nonces")}


@given(pauses=st.lists(st.tuples(st.floats(0, 200), st.booleans()), max_size=40))
def test_no_nonce_is_forgotten_within_two_windows(pauses: list[tuple[float, bool]]) -> None:
    """However appends are spread, and whichever of them fail."""
    clock = Clock()
    nonces = Nonces(WINDOW_S, clock)
    stored: dict[str, float] = {}
    with closing(database()) as connection:
        for number, (pause_s, fails) in enumerate(pauses):
            clock.now += pause_s
            append(connection, nonces, f"n{number}", fails=fails)
            if not fails:
                stored[f"n{number}"] = clock.now
            young = {name for name, at in stored.items() if clock.now - at <= 2 * WINDOW_S}
            assert young <= known(connection)


async def test_old_nonces_are_forgotten(connection: Connection) -> None:
    """While appends go on, what is older than two windows and a note's distance is gone."""
    clock = Clock()
    nonces = Nonces(WINDOW_S, clock)
    for number in range(400):
        append(connection, nonces, f"n{number}")
        await clock.advance(1)
    assert known(connection) == {f"n{number}" for number in range(400)} - {f"n{number}" for number in range(272)}


async def test_ids_that_are_given_again_are_not_forgotten_early(connection: Connection) -> None:
    """What a failed transaction would have stored is not mistaken for what is stored later in its place."""
    clock = Clock()
    nonces = Nonces(WINDOW_S, clock)
    append(connection, nonces, "old")
    append(connection, nonces, "failed", fails=True)
    await clock.advance(2 * WINDOW_S)
    append(connection, nonces, "late")
    await clock.advance(2 * WINDOW_S)
    append(connection, nonces, "later")
    assert {"late", "later"} <= known(connection)


async def test_much_is_forgotten_bit_by_bit(connection: Connection) -> None:
    """A heap of old nonces does not hold up one transaction; in the end it is gone."""
    clock = Clock()
    nonces = Nonces(WINDOW_S, clock)
    connection.execute("BEGIN")
    rows = [(f"old{number}",) for number in range(5000)]
    connection.executemany("INSERT INTO nonces (room, author, nonce, offset) VALUES (1, 'u', ?, 1)", rows)
    connection.execute("COMMIT")
    append(connection, nonces, "a")
    await clock.advance(2 * WINDOW_S + 1)
    append(connection, nonces, "b")
    assert 2000 < len(known(connection)) < 5000
    for _ in range(3):
        append(connection, nonces, f"c{clock.now}")
        await clock.advance(0.1)
    assert not any(name.startswith("old") for name in known(connection))


async def test_after_a_restart_every_window_begins_anew(connection: Connection) -> None:
    """A new process does not know how old nonces are, and takes them for new."""
    clock = Clock()
    append(connection, Nonces(WINDOW_S, clock), "old")
    await clock.advance(10 * WINDOW_S)
    nonces = Nonces(WINDOW_S, clock)
    append(connection, nonces, "a")
    await clock.advance(2 * WINDOW_S)
    append(connection, nonces, "b")
    assert known(connection) == {"old", "a", "b"}
