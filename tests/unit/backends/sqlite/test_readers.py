"""The threads that read: slow reads, too many reads, and damage that is found while reading."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from sqlite3 import Connection, OperationalError

import pytest
from structlog.testing import capture_logs

from datchat.backends.sqlite import SqliteBackend, open_sqlite
from datchat.backends.sqlite.opening import connect_reader
from datchat.backends.sqlite.readers import THREADS, Readers
from datchat.chat.model import LOBBY, START
from datchat.errors import NoSuchRoom, Unavailable
from support.drafts import message
from support.eventually import eventually


async def test_a_slow_read_holds_up_nothing(backend: SqliteBackend) -> None:
    """While one thread reads for long, appends and other reads go on."""
    go_on = threading.Event()
    slow = asyncio.ensure_future(backend._readers.read(lambda connection: go_on.wait(10)))
    await backend.broker.append(message())
    assert (await backend.broker.top(LOBBY)).offset == 1
    assert not slow.done()
    go_on.set()
    assert await slow


async def test_a_read_is_of_one_moment(backend: SqliteBackend) -> None:
    """What is committed while a read runs is not in it."""
    half, go_on = threading.Event(), threading.Event()

    def twice(connection: Connection) -> tuple[int, int]:
        count = "SELECT count(*) FROM entries"
        (first,) = connection.execute(count).fetchone()
        half.set()
        go_on.wait(10)
        (second,) = connection.execute(count).fetchone()
        return first, second

    reading = asyncio.ensure_future(backend._readers.read(twice))
    await eventually(half.is_set)
    await backend.broker.append(message())
    go_on.set()
    assert await reading == (0, 0)


async def test_too_many_reads_are_refused(backend: SqliteBackend, path: Path) -> None:
    """A bounded number waits; then there is room again."""
    readers = Readers(lambda: connect_reader(path), max_waiting=10)
    go_on = threading.Event()
    waiting = [asyncio.ensure_future(readers.read(lambda connection: go_on.wait(10))) for _ in range(10)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="the store is busy"):
        await readers.read(lambda connection: None)
    go_on.set()
    await asyncio.gather(*waiting)
    await eventually(lambda: readers._waiting == 0)
    assert await readers.read(lambda connection: 5) == 5
    await readers.close()


async def test_readers_cannot_write(backend: SqliteBackend) -> None:
    """Their connections are read-only."""
    with pytest.raises(Unavailable) as caught:
        await backend._readers.read(lambda connection: connection.execute("UPDATE heartbeat SET beats = 5"))
    assert isinstance(caught.value.__cause__, OperationalError)


async def test_a_reader_lives_on_after_a_failed_read(backend: SqliteBackend) -> None:
    """Neither an error of the database nor a refusal leaves a transaction open."""
    for _ in range(2 * THREADS):
        with pytest.raises(Unavailable):
            await backend._readers.read(lambda connection: connection.execute("SELECT * FROM nothing"))
        with pytest.raises(NoSuchRoom):
            await backend.broker.top("nowhere")  # type: ignore[arg-type]
    assert (await backend.broker.top(LOBBY)).offset == 0


async def test_who_goes_away_while_reading_does_not_disturb(backend: SqliteBackend) -> None:
    """A read that nobody waits for any more is finished before the store closes, and the loop runs on meanwhile."""
    begun, go_on, told = threading.Event(), threading.Event(), []

    def slow(connection: Connection) -> None:
        begun.set()
        told.append(go_on.wait(10))

    reading = asyncio.ensure_future(backend._readers.read(slow))
    await eventually(begun.is_set)
    reading.cancel()
    closing = asyncio.ensure_future(backend.close())
    await asyncio.sleep(0)
    assert told == []
    go_on.set()
    await closing
    assert told == [True]


async def test_a_hole_is_not_read_over(used: Path, by_hand: Callable[..., None]) -> None:
    """A log that lacks an entry is not served as if it were whole; what lies before the hole is."""
    by_hand("DELETE FROM entries WHERE offset = 150")
    backend = await open_sqlite(used)
    page = await backend.broker.read(LOBBY, START, 149)
    assert len(page.entries) == 149
    with pytest.raises(Unavailable, match="hole"):
        await backend.broker.read(LOBBY, page.cursor, 10)
    with pytest.raises(Unavailable, match="hole"):
        await backend.broker.before(LOBBY, 155, 10)
    assert len((await backend.broker.before(LOBBY, None, 100)).entries) == 100
    assert [entry.offset for entry in await backend.broker.scan(LOBBY, 148, 2)] == [149, 151]
    await backend.close()


async def test_a_missing_end_is_not_read_over(used: Path, by_hand: Callable[..., None]) -> None:
    """Also the last entries are missed."""
    by_hand("DELETE FROM entries WHERE offset > 290")
    backend = await open_sqlite(used)
    with pytest.raises(Unavailable, match="hole"):
        await backend.broker.before(LOBBY, None, 10)
    await backend.close()


async def test_an_entry_that_cannot_be_understood(used: Path, by_hand: Callable[..., None]) -> None:
    """A damaged body is told and logged with a sentence; pages without it are shown."""
    by_hand("UPDATE entries SET body = 'x' WHERE offset = 150")
    backend = await open_sqlite(used)
    with capture_logs() as logs, pytest.raises(Unavailable, match="an entry is damaged"):
        await backend.broker.view(LOBBY, 155, 10)
    assert [line["event"] for line in logs] == ["a read failed"]
    assert len((await backend.broker.view(LOBBY, None, 10)).messages) == 10
    await backend.close()


async def test_pages_that_are_damaged_while_it_runs(used: Path) -> None:
    """What the database finds damaged is told and logged with a sentence, and the process lives on."""
    backend = await open_sqlite(used)
    size = used.stat().st_size
    with used.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    with capture_logs() as logs, pytest.raises(Unavailable, match="damaged"):
        await backend.broker.before(LOBBY, None, 300)
    assert logs
    assert logs[0]["log_level"] == "error"
    await backend.close()
