"""
Whether a session may be taken at its word while the store is away: for how long, and which not.

Without it a failover would lock out whoever reconnects during it, since only the store knows which sessions live. Knows
nothing of tokens: whoever asks has checked what the session says of itself.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from datchat.chat.model import StoreState

ENDED_SESSIONS = 50_000
"""Ended sessions that are remembered. Overflow policy: the one that was heard of first is forgotten."""


class Grace:
    """
    How long the store has been away, and which sessions this node knows to have ended.

    The store is away from the first question that it left unanswered, or from when it says itself that it fails over,
    whichever was earlier; an answer ends that. ``clock`` is in seconds, ``wall`` in milliseconds since 1970.
    """

    def __init__(
        self, grace_s: float, state: Callable[[], StoreState], clock: Callable[[], float], wall: Callable[[], int]
    ) -> None:
        self._grace_s = grace_s
        self._state = state
        self._clock = clock
        self._wall = wall
        self._failed_at: float | None = None
        self._ended: OrderedDict[str, None] = OrderedDict()

    def answered(self) -> None:
        """The store has answered."""
        self._failed_at = None

    def failed(self) -> None:
        """The store has left a question unanswered."""
        if self._failed_at is None:
            self._failed_at = self._clock()

    def ended(self, session_id: str) -> None:
        """This session has ended, or ends."""
        self._ended[session_id] = None
        self._ended.move_to_end(session_id)
        if len(self._ended) > ENDED_SESSIONS:
            self._ended.popitem(last=False)

    @property
    def open(self) -> bool:
        """Whether sessions are taken at their word, should the store not answer now."""
        return self._away_s() < self._grace_s

    def holds(self, session_id: str) -> bool:
        """Whether this session is, given that the store does not answer now."""
        return self.open and session_id not in self._ended

    def _away_s(self) -> float:
        asked_s = 0.0 if self._failed_at is None else self._clock() - self._failed_at
        state = self._state()
        told_s = (self._wall() - state.since_ms) / 1000 if state.state == "failing_over" else 0.0
        return max(asked_s, told_s)
