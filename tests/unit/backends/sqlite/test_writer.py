"""The thread that writes: batches, bounds, and works that fail."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from sqlite3 import Connection

import pytest

from datchat.backends.sqlite import SqliteBackend
from datchat.backends.sqlite.nonces import Nonces
from datchat.backends.sqlite.opening import connect_writer, prepare
from datchat.backends.sqlite.writer import MAX_BATCH, Writer
from datchat.chat import wire
from datchat.chat.model import LOBBY, Draft, Entry, Receipt
from datchat.errors import NoSuchRoom, Unavailable
from support.clock import Clock
from support.drafts import message
from support.eventually import eventually


class Desk:
    """A writer that can be held up, and what it published."""

    def __init__(self, path: Path, max_waiting: int = 10_000) -> None:
        self.batches: list[Sequence[Entry]] = []
        self.commits = 0
        self._go_on = threading.Event()
        nonces = Nonces(60, Clock())
        self.writer = Writer(partial(connect_writer, path), nonces, self.batches.append, max_waiting)

    def append(self, draft: Draft) -> asyncio.Future[Receipt]:
        return self.writer.append(draft, wire.stored_bytes(draft))

    @asynccontextmanager
    async def held_up(self) -> AsyncIterator[None]:
        """While the writer is busy; from then on commits are counted."""
        begun = threading.Event()

        def count(statement: str) -> None:
            self.commits += statement == "COMMIT"

        def wait(connection: Connection) -> None:
            begun.set()
            self._go_on.wait(10)
            connection.set_trace_callback(count)

        self._go_on.clear()
        waiting = self.writer.act(wait)
        await eventually(begun.is_set)
        yield
        self._go_on.set()
        await waiting


@pytest.fixture
async def desk(path: Path) -> AsyncIterator[Desk]:
    prepare(path, exists=False, alone=True)
    desk = Desk(path, max_waiting=2500)
    yield desk
    await desk.writer.close()


async def test_everything_that_waits_is_one_transaction(desk: Desk) -> None:
    """Appends and acts that wait share one commit, and their entries are published in one batch."""
    async with desk.held_up():
        waiting: list[asyncio.Future[object]] = [desk.append(message()) for _ in range(100)]  # type: ignore[misc]
        waiting.append(desk.writer.act(lambda connection: connection.total_changes))
        waiting += [desk.append(message()) for _ in range(100)]  # type: ignore[misc]
        assert desk.batches == []
    await asyncio.gather(*waiting)
    assert desk.commits == 1 + 1, "the transaction that held it up, and one for all that waited"
    assert [len(batch) for batch in desk.batches] == [200]


async def test_a_batch_is_bounded(desk: Desk) -> None:
    """More than fits into one transaction becomes several, in order."""
    async with desk.held_up():
        waiting = [desk.append(message()) for _ in range(2 * MAX_BATCH + 1)]
    receipts = await asyncio.gather(*waiting)
    assert [receipt.cursor.offset for receipt in receipts] == list(range(1, 2 * MAX_BATCH + 2))
    assert [len(batch) for batch in desk.batches] == [MAX_BATCH, MAX_BATCH, 1]


async def test_entries_are_published_before_their_receipts(desk: Desk) -> None:
    """Whoever gets a receipt may rely on the feed to have the entry."""
    await desk.append(message())
    assert [entry.offset for batch in desk.batches for entry in batch] == [1]


async def test_too_many_are_refused(desk: Desk) -> None:
    """A writer that can't keep up refuses; what waits is stored, and then there is room again."""
    async with desk.held_up():
        waiting = [desk.append(message()) for _ in range(2499)]
        with pytest.raises(Unavailable, match="the store is busy"):
            desk.append(message())
        with pytest.raises(Unavailable, match="the store is busy"):
            desk.writer.act(lambda connection: None)
    assert len(await asyncio.gather(*waiting)) == 2499
    assert (await desk.append(message())).cursor.offset == 2500


async def test_an_act_that_is_refused_is_undone_alone(desk: Desk) -> None:
    """What it wrote is gone, its neighbours stay."""

    def change(connection: Connection) -> None:
        connection.execute("UPDATE heartbeat SET beats = 77")
        raise NoSuchRoom("no")

    async with desk.held_up():
        before, refused, after = desk.append(message()), desk.writer.act(change), desk.append(message())
    assert isinstance((await asyncio.gather(refused, return_exceptions=True))[0], NoSuchRoom)
    assert [(await before).cursor.offset, (await after).cursor.offset] == [1, 2]
    assert await desk.writer.act(lambda connection: connection.execute("SELECT beats FROM heartbeat").fetchone()) == (
        0,
    )


async def test_a_work_that_cannot_be_carried_out_fails_alone(desk: Desk) -> None:
    """An error that nobody foresaw is that of its own work only."""

    def stumble(connection: Connection) -> None:
        raise RuntimeError("unforeseen")

    async with desk.held_up():
        before, stumbling, after = desk.append(message()), desk.writer.act(stumble), desk.append(message())
    assert isinstance((await asyncio.gather(stumbling, return_exceptions=True))[0], Unavailable)
    assert [(await before).cursor.offset, (await after).cursor.offset] == [1, 2]


async def test_a_connection_in_doubt_is_replaced(desk: Desk) -> None:
    """Whatever becomes of the connection, the next work finds a new one."""
    outcome = await asyncio.gather(desk.writer.act(Connection.close), return_exceptions=True)
    assert isinstance(outcome[0], Exception)
    assert (await desk.append(message())).cursor.offset == 1


async def test_who_goes_away_does_not_disturb(desk: Desk) -> None:
    """A caller that no longer waits leaves its entry and its neighbours alone."""
    async with desk.held_up():
        waiting = [desk.append(message()) for _ in range(3)]
        waiting[1].cancel()
    assert [(await waiting[0]).cursor.offset, (await waiting[2]).cursor.offset] == [1, 3]


async def test_works_that_wait_are_finished_by_close(desk: Desk) -> None:
    """Closing waits for them, and then refuses."""
    async with desk.held_up():
        waiting = [desk.append(message()) for _ in range(10)]
        closing = asyncio.ensure_future(desk.writer.close())
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="closed"):
            desk.append(message())
    await closing
    assert [waiter.result().cursor.offset for waiter in waiting] == list(range(1, 11))


async def test_a_check_proves_a_write(backend: SqliteBackend) -> None:
    """The heartbeat is counted in the database."""

    async def beats() -> int:
        return await backend._readers.read(
            lambda connection: int(connection.execute("SELECT beats FROM heartbeat").fetchone()[0])
        )

    before = await beats()
    await backend.broker.check()
    assert await beats() == before + 1
    assert (await backend.broker.top(LOBBY)).offset == 0
