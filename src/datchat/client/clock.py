"""The client's clock, in seconds, only ever forward."""

from __future__ import annotations

import time

if hasattr(time, "CLOCK_BOOTTIME"):

    def boottime() -> float:
        """
        Seconds since the machine's start, its sleep included.

        ``time.monotonic`` stands still while a laptop sleeps: a draft would then look younger than the server's
        memory of its nonce, and could be stored twice.
        """
        return time.clock_gettime(time.CLOCK_BOOTTIME)

else:
    boottime = time.monotonic
