"""Databases to break."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from datchat.backends.sqlite import SqliteBackend, open_sqlite
from datchat.chat.model import LOBBY
from support.clock import Clock
from support.drafts import message


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database is, or will be."""
    return tmp_path / "chat.db"


@pytest.fixture
async def backend(path: Path) -> AsyncIterator[SqliteBackend]:
    opened = await open_sqlite(path, nonce_window_s=60, clock=Clock())
    yield opened
    await opened.close()


@pytest.fixture
def by_hand(path: Path) -> Callable[..., None]:
    """Execute statements behind the backend's back."""

    def execute(*statements: str) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for statement in statements:
                connection.execute(statement).fetchall()

    return execute


@pytest.fixture
async def used(path: Path) -> Path:
    """A database that was used and closed: 300 messages in the lobby."""
    backend = await open_sqlite(path)
    drafts = [message(f"message {number} " + "x" * 200) for number in range(300)]
    await asyncio.gather(*map(backend.broker.append, drafts))
    assert (await backend.broker.top(LOBBY)).offset == 300
    await backend.close()
    path.with_name("chat.db.lock").unlink()
    return path


@contextmanager
def unchanged(folder: Path) -> Iterator[None]:
    """Nothing in a folder is changed, made or removed."""
    before = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
    yield
    assert {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()} == before
