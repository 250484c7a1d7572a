"""A clock that goes when it is told to."""

from __future__ import annotations


class Clock:
    """Seconds; called like ``time.monotonic``."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    async def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
