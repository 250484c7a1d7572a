"""
Many rows in one statement.

A step of a statement lets go of the interpreter's lock and has to get it back, which a busy event loop can make it
wait for: a batch is a few steps, whatever its size, instead of a few for each of its rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from sqlite3 import Connection
from typing import Any

_LARGEST = 256
"""Rows in one statement; with at most 10 columns far below SQLite's limit of 32,766 variables."""

Row = tuple[Any, ...]


def write(connection: Connection, statement: str, rows: Sequence[Row]) -> None:
    """Execute a statement whose ``{rows}`` are ``VALUES``."""
    for part in _parts(rows):
        connection.execute(statement.format(rows=_values(part)), [*chain.from_iterable(part)])


def read(connection: Connection, statement: str, rows: Sequence[Row]) -> Iterator[Row]:
    """The rows of a query whose ``{rows}`` are ``VALUES``."""
    for part in _parts(rows):
        yield from connection.execute(statement.format(rows=_values(part)), [*chain.from_iterable(part)]).fetchall()


def _values(rows: Sequence[Row]) -> str:
    row = f"({','.join('?' * len(rows[0]))})"
    return f"VALUES {','.join([row] * len(rows))}"


def _parts(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Cut into powers of two, so that few different statements have to be prepared."""
    start = 0
    while left := len(rows) - start:
        size = min(_LARGEST, 1 << (left.bit_length() - 1))
        yield rows[start : start + size]
        start += size
