"""A copy of the store, and its way back, by the scripts that the documentation names."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from support.copies import comes_back
from support.kubernetes import DEPLOY, chat, needs_cluster, wait_until_whole

pytestmark = [needs_cluster, pytest.mark.timeout(500)]


async def test_what_was_copied_comes_back(running: str, tmp_path: Path) -> None:
    """What was said before the copy is there after it was put back, and what was said after it is not."""

    def backup(copy: Path) -> None:
        with copy.open("wb") as file:
            subprocess.run([DEPLOY / "backup"], stdout=file, check=True, timeout=60)

    def restore(copy: Path) -> None:
        with copy.open("rb") as file:
            subprocess.run([DEPLOY / "restore"], stdin=file, check=True, timeout=400)
        wait_until_whole()
        assert "lobby" in chat("exec", "deployment/web", "--", "datchat", "verify")

    await comes_back(lambda: running, backup, restore, tmp_path)


@pytest.mark.parametrize("given", [b"", b"something else", b"REDIS0011 that ends too early"])
def test_what_is_no_backup_is_refused(given: bytes, running: str) -> None:
    """Before anything is stopped."""
    done = subprocess.run([DEPLOY / "restore"], input=given, capture_output=True, timeout=60, check=False)

    assert done.returncode == 2
    assert b"this is no backup" in done.stderr
    assert done.stderr.endswith(b"restore: nothing was stopped\n")
