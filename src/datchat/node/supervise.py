"""
Keeps tasks alive and ends them cleanly. Nothing in a node runs in a task that isn't started here.

A long-lived task that fails is logged, counted and begun again after a jittered, growing pause (full jitter, as in
"Exponential Backoff And Jitter", AWS Architecture Blog, 2015). A one-off task that fails is logged and counted.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

log = structlog.get_logger("datchat.node")

Failed = Callable[[str], None]


def pause_s(failures: int, rng: random.Random, *, base_s: float = 0.1, cap_s: float = 5.0) -> float:
    """How long to wait after so many failures in a row: up to ``base_s * 2**failures``, at most the cap."""
    return rng.uniform(0, min(cap_s, base_s * 2 ** min(failures, 16)))


class Supervisor:
    """The tasks of one node."""

    def __init__(self, rng: random.Random, failed: Failed = lambda name: None) -> None:
        self._rng = rng
        self._failed = failed
        self._tasks: set[asyncio.Task[None]] = set()

    def keep(self, name: str, run: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """Run ``run`` again whenever it fails, until ``stop``; it ends for good when it returns."""
        return self._start(name, self._keep(name, run))

    def spawn(self, name: str, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a one-off task; an exception that escapes it is logged and counted."""
        return self._start(name, self._once(name, coroutine))

    async def stop(self) -> None:
        """Cancel every task and wait until all have ended."""
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)

    def _start(self, name: str, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        failures = 0
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                await run()
            except Exception:
                # A task that ran well for a while starts over with short pauses.
                failures = failures + 1 if loop.time() - began < 30 else 1
                self._failed(name)
                log.exception("task failed", task=name, failures=failures)
                await asyncio.sleep(pause_s(failures, self._rng))
            else:
                return

    async def _once(self, name: str, coroutine: Coroutine[Any, Any, None]) -> None:
        try:
            await coroutine
        except Exception:
            self._failed(name)
            log.exception("task failed", task=name)
