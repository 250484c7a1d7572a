"""
The embedded store: one SQLite database, for one serving process.

One thread writes (``writer``), a few read (``readers``), and what happens goes straight to the process's own feed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from datchat.backends.feed import Feed
from datchat.backends.presence import LocalPresence
from datchat.backends.sqlite.accounts import SqliteAccounts
from datchat.backends.sqlite.broker import SqliteBroker
from datchat.backends.sqlite.inspection import inspect
from datchat.backends.sqlite.lock import Lock
from datchat.backends.sqlite.nonces import Nonces
from datchat.backends.sqlite.opening import connect_reader, connect_writer, examine, prepare
from datchat.backends.sqlite.readers import Readers
from datchat.backends.sqlite.rooms import SqliteRooms
from datchat.backends.sqlite.writer import Writer


class SqliteBackend:
    """Serves every port on one database; opened by ``open_sqlite``."""

    def __init__(self, path: Path, lock: Lock | None, *, nonce_window_s: float, clock: Callable[[], float]) -> None:
        self._lock = lock
        self._feed = Feed()
        self._writer = Writer(partial(connect_writer, path), Nonces(nonce_window_s, clock), self._feed.publish)
        self._readers = Readers(partial(connect_reader, path))
        self.broker = SqliteBroker(self._writer, self._readers, self._feed, serving=lock is not None)
        self.accounts = SqliteAccounts(self._writer, self._readers)
        self.rooms = SqliteRooms(self._writer, self._readers)
        self.presence = LocalPresence(clock)

    async def inspect(self) -> Sequence[str]:
        return await self._readers.read(inspect)

    def counts(self) -> Mapping[str, int]:
        return {}

    async def close(self) -> None:
        await self._readers.close()
        await self._writer.close()
        self._feed.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None


async def open_sqlite(
    path: str | Path,
    *,
    nonce_window_s: float = 600.0,
    exclusive: bool = True,
    clock: Callable[[], float] = time.monotonic,
) -> SqliteBackend:
    """
    Open the database at ``path``, or make it.

    ``exclusive`` is for the process that serves: there is one at most. Without it the database may be open elsewhere;
    then ``append`` refuses, and the feed hears nothing of the other process. ``clock`` is monotonic, in seconds.

    Raises:
        ConfigurationError: It can't be used; nothing was changed, and nothing made beside it.
    """
    path = Path(path)
    exists = examine(path)
    lock = Lock(path) if exclusive else None
    try:
        prepare(path, exists=exists, alone=exclusive)
        return SqliteBackend(path, lock, nonce_window_s=nonce_window_s, clock=clock)
    except BaseException:
        if lock is not None:
            lock.withdraw()
        raise
