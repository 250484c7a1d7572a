"""Many rows in one statement."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from datchat.backends.sqlite import rows


@pytest.mark.parametrize("count", [0, 1, 2, 3, 255, 256, 257, 1000])
def test_every_row_is_written_and_found_once(count: int) -> None:
    """Whatever their number, all rows arrive, in few statements."""
    wanted = [(number, f"row {number}") for number in range(count)]
    statements: list[str] = []
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (a INTEGER, b TEXT)")
        connection.set_trace_callback(statements.append)
        rows.write(connection, "INSERT INTO t (a, b) {rows}", wanted)
        assert list(rows.read(connection, "SELECT a, b FROM t WHERE (a, b) IN ({rows}) ORDER BY a", wanted)) == wanted
    assert len(statements) <= 2 * 12
