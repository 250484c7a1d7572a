"""Waiting for something to become true, instead of sleeping and hoping."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(claim: Callable[[], T], timeout_s: float = 5.0, describe: Callable[[], object] | None = None) -> T:
    """Return the first truthy answer of ``claim``; fail with what it last was (or ``describe`` says) after the time."""
    deadline = time.monotonic() + timeout_s
    while not (answer := claim()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {describe() if describe else answer!r}")
        await asyncio.sleep(0.005)
    return answer


def eventually_now(claim: Callable[[], T], timeout_s: float = 5.0, describe: Callable[[], object] | None = None) -> T:
    """``eventually`` for tests without a loop."""
    deadline = time.monotonic() + timeout_s
    while not (answer := claim()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {describe() if describe else answer!r}")
        time.sleep(0.01)
    return answer
