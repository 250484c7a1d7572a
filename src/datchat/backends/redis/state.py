"""How the store is, for the banner: ``ok``, ``failing_over`` or ``degraded``, and since when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from msgspec.structs import replace

from datchat.backends.redis.url import Address
from datchat.chat.model import StoreState

log = structlog.get_logger("datchat.redis")

GRACE_S = 0.5
"""Seconds of trouble that nobody is told of."""
STEADY_S = 1.0
"""Seconds for which a new number of copies has to hold before it is told."""


class StoreWatch:
    """
    Turns how batches fare into a state. ``tell`` gets each change; ``wall`` gives milliseconds since 1970.
    """

    def __init__(self, tell: Callable[[StoreState], None], wall: Callable[[], int]) -> None:
        self._tell = tell
        self._wall = wall
        self._loop = asyncio.get_running_loop()
        self._grace: asyncio.TimerHandle | None = None
        self._steady: asyncio.TimerHandle | None = None
        self._copies = 0
        self.state = StoreState(state="failing_over", copies=0, since_ms=wall())

    def acknowledged(self, master: Address, copies: int, degraded: bool) -> None:
        """A batch was safe on so many servers."""
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None
        self._copies = copies
        state = "degraded" if degraded else "ok"
        if (state, str(master)) != (self.state.state, self.state.master):
            self._change(state, str(master), copies)
        elif copies != self.state.copies and self._steady is None:
            self._steady = self._loop.call_later(STEADY_S, self._settle_copies)

    def struggling(self, reason: str) -> None:
        """A batch was not safe, or there is no master."""
        if self._grace is None and self.state.state != "failing_over":
            self._grace = self._loop.call_later(GRACE_S, self._fail, reason)

    def close(self) -> None:
        """Let go of the timers."""
        for timer in (self._grace, self._steady):
            if timer is not None:
                timer.cancel()

    def _fail(self, reason: str) -> None:
        self._grace = None
        log.warning("the store is failing over", reason=reason, master=self.state.master)
        self._change("failing_over", self.state.master, self.state.copies)

    def _settle_copies(self) -> None:
        self._steady = None
        if self._copies != self.state.copies and self.state.state != "failing_over":
            self.state = replace(self.state, copies=self._copies)
            self._tell(self.state)

    def _change(self, state: str, master: str | None, copies: int) -> None:
        if state != "failing_over":
            log.info("the store is " + state, master=master, copies=copies)
        self.state = StoreState(state=state, master=master, copies=copies, since_ms=self._wall())
        self._tell(self.state)
