"""Keeps the backend's tasks alive: a task that fails is logged and begun again after a growing, jittered pause."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from datchat.backends.redis.backoff import pause_s

log = structlog.get_logger("datchat.redis")


class Tasks:
    """The long-lived tasks of one backend."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._tasks: set[asyncio.Task[None]] = set()

    def keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run ``run`` again whenever it fails, until ``stop``; it ends for good when it returns."""
        task = asyncio.get_running_loop().create_task(self._keep(name, run), name=f"redis {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Cancel every task and wait until all have ended."""
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)

    async def _keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        failures = 0
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                await run()
            except Exception:
                failures = failures + 1 if loop.time() - began < 30 else 1
                log.exception("task failed", task=name, failures=failures)
                await asyncio.sleep(pause_s(failures, self._rng, base_s=0.1, cap_s=5.0))
            else:
                return
