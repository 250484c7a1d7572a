"""Backup and restore, with the commands of docs/deploy/swarm.md."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from docs.documents import block, text
from support import swarm
from support.copies import comes_back
from support.swarm import engines, needs_swarm

pytestmark = [
    needs_swarm,
    pytest.mark.skipif(not engines(), reason="DATCHAT_ENGINES doesn't say where the hosts' engines are"),
    pytest.mark.timeout(600),
]
PAGE = "docs/deploy/swarm.md"


def shell(mark: str, folder: Path, host: str) -> None:
    """Run what stands below a mark in the page, on a host: in a clone, with the copy in it."""
    clone = folder / "clone"
    if not clone.exists():
        clone.mkdir()
        (clone / "deploy").symlink_to(swarm.ROOT / "deploy")
    environment = {**os.environ, "DOCKER_HOST": engines()[host]}
    commands = f"set -e\n{block(text(PAGE), f'swarm: {mark}')}"
    subprocess.run(["sh", "-c", commands], cwd=clone, env=environment, check=True, timeout=240)


async def test_what_was_copied_comes_back(running: str, tmp_path: Path) -> None:
    """What was said before the copy is there after it was put back, and what was said after it is not."""
    first, _, third = swarm.hosts()

    def backup(copy: Path) -> None:
        shell("backup", tmp_path, third)
        shell("check", tmp_path, third)
        shutil.copy(tmp_path / "clone" / "chat.rdb", copy)

    def restore(copy: Path) -> None:
        shell("stop", tmp_path, first)
        for host in engines():
            shell("remove", tmp_path, host)
        shell("restore", tmp_path, first)
        # Without asking a registry for each image, of which there is none.
        swarm.deploy()
        swarm.wait_until_whole()

    await comes_back(lambda: swarm.urls()[0], backup, restore, tmp_path)
