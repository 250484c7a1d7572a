"""Waiting for something, but not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from datchat.client.clock import boottime

LOOK_S: Final = 0.05
"""Between two looks at what nobody announces."""


async def happens(event: asyncio.Event, timeout_s: float) -> bool:
    """Wait for an event; False when it did not come in time."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    return True


async def first(*events: asyncio.Event) -> None:
    """Wait until one of them happens."""
    tasks = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def comes_true(claim: Callable[[], bool], timeout_s: float) -> bool:
    """Wait until something is so; False when it wasn't in time."""
    deadline = boottime() + timeout_s
    while not claim():
        if boottime() > deadline:
            return False
        await asyncio.sleep(LOOK_S)
    return True
