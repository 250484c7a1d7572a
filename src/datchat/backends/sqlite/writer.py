"""
The one thread that writes. Everything that waits when it wakes is one transaction: a commit, and the disk's round
trip, is shared by all of them.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from sqlite3 import Connection
from threading import Thread
from typing import Any, TypeVar

import structlog

from datchat.backends.sqlite import faults
from datchat.backends.sqlite.appends import Appends
from datchat.backends.sqlite.nonces import Nonces
from datchat.chat.model import Draft, Entry, Receipt
from datchat.errors import ClientError, Unavailable

log = structlog.get_logger("datchat.sqlite")

MAX_BATCH = 1000
"""Works in one transaction."""
MAX_WAITING = 20_000
"""Works that wait for the writer. Overflow policy: refuse, nothing is stored."""

T = TypeVar("T")
Act = Callable[[Connection], Any]


@dataclass(slots=True, frozen=True)
class _Work:
    """A draft with its stored bytes, or an act; and who waits for it."""

    waiter: asyncio.Future[Any]
    draft: tuple[Draft, bytes] | None = None
    act: Act | None = None


class Writer:
    """
    Appends and acts, in the order in which they were begun. Methods are called on the event loop.

    ``connect`` opens a connection; ``publish`` gets the entries of each committed batch, on the event loop, before
    anybody gets their receipt.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        nonces: Nonces,
        publish: Callable[[Sequence[Entry]], None],
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._connect = connect
        self._nonces = nonces
        self._publish = publish
        self._max_waiting = max_waiting
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[_Work | None] = SimpleQueue()
        self._waiting = 0
        self._ended = self._loop.create_future()
        self._closing = False
        self._connection: Connection | None = connect()
        self._thread = Thread(target=self._run, name="datchat-sqlite-writer", daemon=True)
        self._thread.start()

    def append(self, draft: Draft, body: bytes) -> asyncio.Future[Receipt]:
        """
        Append a draft with its stored bytes.

        Raises:
            Unavailable: Too many wait, or the store is closed.
        """
        return self._put(_Work(self._loop.create_future(), draft=(draft, body)))

    def act(self, act: Callable[[Connection], T]) -> asyncio.Future[T]:
        """
        Do something in the next transaction. What it raises is raised here, and what it wrote is undone, alone.

        Raises:
            Unavailable: Too many wait, or the store is closed.
        """
        return self._put(_Work(self._loop.create_future(), act=act))

    async def close(self) -> None:
        """Finish everything that waits, then end the thread and its connection."""
        if not self._closing:
            self._closing = True
            self._queue.put(None)
        await asyncio.shield(self._ended)
        self._thread.join()

    def _put(self, work: _Work) -> asyncio.Future[Any]:
        if self._closing:
            raise Unavailable("the store is closed")
        if self._waiting >= self._max_waiting:
            raise Unavailable("the store is busy")
        self._waiting += 1
        self._queue.put(work)
        return work.waiter

    def _settle(self, batch: Sequence[_Work], outcomes: Sequence[Any], entries: Sequence[Entry]) -> None:
        self._waiting -= len(batch)
        if entries:
            self._publish(entries)
        for work, outcome in zip(batch, outcomes, strict=True):
            if work.waiter.done():
                continue  # whoever asked has gone
            if isinstance(outcome, Exception):
                work.waiter.set_exception(outcome)
            else:
                work.waiter.set_result(outcome)

    # On the thread

    def _run(self) -> None:
        open_for_work = True
        while open_for_work:
            batch, open_for_work = self._gather()
            if batch:
                outcomes, entries = self._carry_out(batch)
                self._call(self._settle, batch, outcomes, entries)
        if self._connection is not None:
            # The last connection to close brings the write-ahead log home and removes it.
            self._connection.close()
        self._call(self._ended.set_result, None)

    def _call(self, callback: Callable[..., object], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError:
            log.warning("the event loop ended before the store was closed")

    def _gather(self) -> tuple[list[_Work], bool]:
        """What waits, one work at least; and whether there may be more."""
        batch: list[_Work] = []
        work = self._queue.get()
        try:
            while work is not None:
                batch.append(work)
                if len(batch) == MAX_BATCH:
                    return batch, True
                work = self._queue.get_nowait()
        except Empty:
            return batch, True
        return batch, False

    def _carry_out(self, batch: Sequence[_Work]) -> tuple[list[Any], list[Entry]]:
        """Commit a batch; an outcome for each work, and the entries that are stored."""
        committing = False
        try:
            if self._connection is None:
                self._connection = self._connect()
            self._connection.execute("BEGIN IMMEDIATE")
            outcomes, entries = self._do(self._connection, batch)
            committing = True
            self._connection.execute("COMMIT")
        except Exception as error:
            undone = self._roll_back()
            if not isinstance(error, sqlite3.DatabaseError) and len(batch) > 1:
                # A work that can't be carried out at all: find it, and spare the others.
                return self._one_by_one(batch)
            # A commit whose last write to the disk failed may still be found there after a crash.
            safe = undone and not (committing and faults.code(error) == sqlite3.SQLITE_IOERR)
            faults.tell("a transaction failed", error, works=len(batch))
            return [faults.translate(error, rolled_back=safe)] * len(batch), []
        return outcomes, entries

    def _one_by_one(self, batch: Sequence[_Work]) -> tuple[list[Any], list[Entry]]:
        outcomes: list[Any] = []
        entries: list[Entry] = []
        for work in batch:
            outcome, stored = self._carry_out([work])
            outcomes += outcome
            entries += stored
        return outcomes, entries

    def _do(self, connection: Connection, batch: Sequence[_Work]) -> tuple[list[Any], list[Entry]]:
        outcomes: list[Any] = []
        entries: list[Entry] = []
        drafts: list[tuple[Draft, bytes]] = []

        def append() -> None:
            if drafts:
                appends = Appends(connection)
                outcomes.extend(appends.store(drafts))
                entries.extend(appends.entries)
                drafts.clear()

        self._nonces.forget(connection)
        for work in batch:
            if work.draft is not None:
                drafts.append(work.draft)
            elif work.act is not None:
                append()
                outcomes.append(_attempt(connection, work.act))
        append()
        return outcomes, entries

    def _roll_back(self) -> bool:
        """Undo the transaction; False when that can't be vouched for. A connection in doubt is given up."""
        connection = self._connection
        if connection is None:
            return True
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._connection = None
            connection.close()
            return False
        return True


def _attempt(connection: Connection, act: Act) -> Any:
    connection.execute("SAVEPOINT act")
    try:
        outcome = act(connection)
    except ClientError as refusal:
        connection.execute("ROLLBACK TO act")
        outcome = refusal
    connection.execute("RELEASE act")
    return outcome
