"""
When a nonce may be forgotten. The wall clock is not asked: a jump must not shorten the window.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from sqlite3 import Connection

_PER_ROUND = 2000
"""Nonces forgotten in one transaction: at least as many as a batch brings, and few enough not to be felt."""


class Nonces:
    """
    Notes which nonces are there from time to time, and forgets those that were there at a note two windows old.

    So a nonce is remembered for two windows at least: a client's retry may be one window old and wait in queues. After
    a restart every nonce's time begins anew. ``clock`` is monotonic, in seconds.
    """

    def __init__(self, window_s: float, clock: Callable[[], float]) -> None:
        self._window_s = window_s
        self._clock = clock
        self._notes: deque[tuple[float, int]] = deque()
        self._ripe = 0

    def forget(self, connection: Connection) -> None:
        """Take a note when it is time, and forget what is old. To be called in a transaction, before its appends."""
        now = self._clock()
        if not self._notes or now - self._notes[-1][0] >= self._window_s / 8:
            # Only what is committed may be noted: the ids of a transaction that fails are given again.
            highest = connection.execute("SELECT coalesce(max(id), 0) FROM nonces").fetchone()[0]
            self._notes.append((now, highest))
        while self._notes and now - self._notes[0][0] > 2 * self._window_s:
            self._ripe = self._notes.popleft()[1]
        if self._ripe:
            old = "SELECT id FROM nonces WHERE id <= ? ORDER BY id LIMIT ?"
            forgotten = connection.execute(f"DELETE FROM nonces WHERE id IN ({old})", (self._ripe, _PER_ROUND))
            if forgotten.rowcount < _PER_ROUND:
                self._ripe = 0
