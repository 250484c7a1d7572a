"""A few threads that read, each on its own connection: a slow read holds up neither the event loop nor the writer."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from sqlite3 import Connection
from typing import TypeVar

import msgspec

from datchat.backends.sqlite import faults
from datchat.errors import Unavailable

THREADS = 3
MAX_WAITING = 5000
"""Reads that wait. Overflow policy: refuse."""

T = TypeVar("T")


class Readers:
    """Reads, each in one snapshot that holds everything that was acknowledged before it began."""

    def __init__(self, connect: Callable[[], Connection], max_waiting: int = MAX_WAITING) -> None:
        self._connect = connect
        self._max_waiting = max_waiting
        self._waiting = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self._own = threading.local()
        self._connections: list[Connection] = []
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="datchat-sqlite-reader")

    async def read(self, query: Callable[[Connection], T]) -> T:
        """
        What ``query`` returns.

        Raises:
            Unavailable: It could not be read, or too many reads wait, or the store is closed.
        """
        if self._closed:
            raise Unavailable("the store is closed")
        if self._waiting >= self._max_waiting:
            raise Unavailable("the store is busy")
        self._waiting += 1
        self._idle.clear()
        loop = asyncio.get_running_loop()
        future = self._executor.submit(self._snapshot, query)
        # On the thread's word, not on the caller's, who may go before the read ends.
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._done))
        return await asyncio.wrap_future(future)

    async def close(self) -> None:
        """Finish the reads under way, then end threads and connections."""
        self._closed = True
        await self._idle.wait()
        self._executor.shutdown()
        for connection in self._connections:
            connection.close()

    def _done(self) -> None:
        self._waiting -= 1
        if not self._waiting:
            self._idle.set()

    # On the threads

    def _snapshot(self, query: Callable[[Connection], T]) -> T:
        try:
            connection = self._connection()
            connection.execute("BEGIN")
            try:
                return query(connection)
            finally:
                if connection.in_transaction:  # some errors end it, and are the ones to tell
                    connection.execute("COMMIT")
        except (sqlite3.Error, msgspec.DecodeError) as error:
            faults.tell("a read failed", error)
            raise faults.translate(error) from error

    def _connection(self) -> Connection:
        if not hasattr(self._own, "connection"):
            self._own.connection = self._connect()
            self._connections.append(self._own.connection)
        connection: Connection = self._own.connection
        return connection
