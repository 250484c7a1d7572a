"""A copy of the store, and its way back, by the scripts that the documentation names."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from datchat.client import Client
from support.kubernetes import DEPLOY, chat, needs_cluster, wait_until_whole
from support.people import fresh, person

pytestmark = [needs_cluster, pytest.mark.timeout(500)]


async def test_what_was_copied_comes_back(running: str, tmp_path: Path) -> None:
    """What was said before the copy is there after it was put back, and what was said after it is not."""
    who = await person(running, fresh("keeper"))
    copy = tmp_path / "chat.rdb"

    async with Client(running, who.token) as alice:
        room = await alice.join("lobby")
        kept = await room.post("before the copy")
        with copy.open("wb") as file:
            subprocess.run([DEPLOY / "backup"], stdout=file, check=True, timeout=60)
        lost = await room.post("after the copy")
    with copy.open("rb") as file:
        subprocess.run([DEPLOY / "restore"], stdin=file, check=True, timeout=400)
    wait_until_whole()

    said = chat("exec", "deployment/web", "--", "datchat", "verify")
    assert "lobby" in said
    async with Client(running, who.token) as alice:
        after = await (await alice.join("lobby")).post("after it came back")
    assert after.offset == kept.offset + 1
    assert after.offset == lost.offset


def test_what_is_no_copy_is_refused(running: str) -> None:
    """Before anything is stopped."""
    done = subprocess.run(
        [DEPLOY / "restore"], input="something else", capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (2, "restore: this is no copy of a store\n")
