"""The Docker engine itself is killed, and everything that it ran with it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from pathlib import Path

import pytest

from datchat.drills.checkers import Verdict
from support.compose import PARTS, Project, needs_engine, needs_own_engine
from support.crowd import crowd
from support.eventually import eventually
from support.people import fresh

pytestmark = [needs_engine, needs_own_engine, pytest.mark.timeout(600)]


async def test_the_engine_is_killed(project: Project) -> None:
    """
    It is killed with -9 while posts are acknowledged, and started again: it ends what it finds running, all at once,
    and starts it anew. Nothing acknowledged is lost, and the chat is back without anybody's help.
    """
    directory = Path(os.environ["ENGINE_DIR"])
    before = {name: container["State"]["Pid"] for name, container in project.containers().items()}
    async with crowd(project.url, 8, [fresh("den")]) as people:
        people.post(40)
        await people.goes_on(people.now(), 100)
        engine = int((directory / "pid").read_text())

        os.kill(engine, signal.SIGKILL)
        await eventually(lambda: not Path(f"/proc/{engine}").exists(), 20)
        # Without an engine the containers go on for a while, and so may the chat.
        await asyncio.sleep(3)
        await asyncio.to_thread(subprocess.run, [directory / "start"], check=True, timeout=120)

        started = people.now()
        await asyncio.to_thread(project.wait_until_whole)
        after = {name: container["State"]["Pid"] for name, container in project.containers().items()}
        assert sorted(after) == sorted(PARTS)
        assert not set(after.values()) & set(before.values()), "it has started everything anew"
        await people.each_goes_on(started, [member.name for member in people.members], 120)
        acknowledged = len(people.history.acknowledged())
        judgement = await people.finish(120)
    assert acknowledged > 100
    assert judgement.verdict is Verdict.VALID, judgement
