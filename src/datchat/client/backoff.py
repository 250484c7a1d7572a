"""
Pauses between tries: full jitter, as in "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015), which brings
a herd of clients back spread out rather than all at once. Pure.
"""

from __future__ import annotations

import random


class Backoff:
    """Pauses in seconds: anything from 0 to ``base_s`` doubled with each failure in a row, at most to ``cap_s``."""

    __slots__ = ("_base_s", "_cap_s", "_failures", "_rng")

    def __init__(self, rng: random.Random, base_s: float = 0.1, cap_s: float = 5.0) -> None:
        self._rng = rng
        self._base_s = base_s
        self._cap_s = cap_s
        self._failures = 0

    def next(self) -> float:
        """The pause after one more failure."""
        pause_s = self._rng.uniform(0, self.grown(self._base_s, self._cap_s))
        self._failures += 1
        return pause_s

    def grown(self, first_s: float, cap_s: float) -> float:
        """``first_s`` doubled with each failure so far, at most ``cap_s``."""
        return min(cap_s, first_s * 2.0 ** min(self._failures, 32))

    def reset(self) -> None:
        """It went well: the next pause is a short one."""
        self._failures = 0
