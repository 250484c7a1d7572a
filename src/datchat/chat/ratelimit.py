"""A token bucket. Time is passed in, in seconds of any clock that only goes forward."""

from __future__ import annotations

_ROUNDING = 1e-9
"""A token that is this near to whole is whole: who waits as long as they were told gets it, however floats round."""


class TokenBucket:
    """
    Allows ``rate`` acts a second, and ``burst`` (one at least) at once after a rest. A rate of 0 allows everything.
    """

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = self._tokens = max(1.0, burst)
        self._at = now

    def take(self, now: float) -> float:
        """Take a token: 0 when there was one, else the seconds until there will be one (and none is taken)."""
        if self._rate <= 0:
            return 0.0
        self._tokens = self._filled(now)
        self._at = max(self._at, now)
        if self._tokens >= 1 - _ROUNDING:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self._rate

    def put_back(self) -> None:
        """Give back a token that was taken: the act does not count after all."""
        self._tokens = min(self._burst, self._tokens + 1)

    def full(self, now: float) -> bool:
        """Whether nothing has been taken of late: such a bucket can be forgotten."""
        return self._rate <= 0 or self._filled(now) >= self._burst - _ROUNDING

    def _filled(self, now: float) -> float:
        return min(self._burst, self._tokens + max(0.0, now - self._at) * self._rate)
