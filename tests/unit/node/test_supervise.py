"""Tasks that are kept alive, and ended cleanly."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from datchat.node.supervise import Supervisor, pause_s
from support.eventually import eventually


@given(st.integers(min_value=1, max_value=10**6), st.integers())
def test_pauses_grow_and_are_capped(failures: int, seed: int) -> None:
    """A pause is never negative and never above the cap, however often something failed."""
    assert 0 <= pause_s(failures, random.Random(seed), base_s=0.1, cap_s=5) <= min(5, 0.1 * 2 ** min(failures, 16))


async def test_a_failed_task_is_begun_again() -> None:
    """It is logged and counted each time, and ends for good when it returns."""
    failed: list[str] = []
    runs = 0

    async def run() -> None:
        nonlocal runs
        runs += 1
        if runs < 3:
            raise RuntimeError("a cable")

    supervisor = Supervisor(random.Random(1), failed.append)
    with capture_logs() as logs:
        task = supervisor.keep("feed", run)
        await asyncio.wait([task])

    assert (runs, failed) == (3, ["feed", "feed"])
    assert [entry["failures"] for entry in logs] == [1, 2]


async def test_a_one_off_task_that_fails_is_told() -> None:
    """Nothing fails in silence."""
    failed: list[str] = []

    async def run() -> None:
        raise RuntimeError("a cable")

    supervisor = Supervisor(random.Random(1), failed.append)
    with capture_logs() as logs:
        await asyncio.wait([supervisor.spawn("post", run())])

    assert failed == ["post"]
    assert logs[0]["task"] == "post"


async def test_stop_ends_everything() -> None:
    """After it, no task is left, also none that was begun by another's ending."""
    supervisor = Supervisor(random.Random(1))
    ended: list[str] = []

    async def late() -> None:
        await asyncio.sleep(60)

    async def run() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("run")
            supervisor.spawn("late", late())

    supervisor.keep("kept", run)
    await asyncio.sleep(0)

    await supervisor.stop()

    assert ended == ["run"]
    await eventually(lambda: len(asyncio.all_tasks()) == 1)


async def test_cancelling_is_no_failure() -> None:
    """A task that is cancelled is neither logged nor begun again."""
    failed: list[str] = []
    supervisor = Supervisor(random.Random(1), failed.append)
    task = supervisor.keep("feed", lambda: asyncio.sleep(60))
    await asyncio.sleep(0)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert failed == []
