"""Backup and restore, with the commands of docs/deploy/compose.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.documents import block, text
from support.compose import Project, needs_engine

pytestmark = [needs_engine, pytest.mark.timeout(600)]


def commands(marked: str) -> list[str]:
    """The command lines below a mark in the page."""
    return block(text("docs/deploy/compose.md"), f"compose: {marked}").splitlines()


def test_backup_and_restore(project: Project, tmp_path: Path) -> None:
    """
    A backup of a running replica, restored where no data are, has every account and nothing of what came after; the
    logs are right, and all servers have it. Where data are it is refused, and so is what is no backup.
    """
    add = ("exec", "-T", "web0", "datchat", "user", "add")
    project.do(*add, "before@example.org", "--password", "correct horse")
    (backup,) = commands("backup")
    (check,) = commands("check")
    project.shell(backup, tmp_path)
    project.shell(check, tmp_path)
    project.do(*add, "after@example.org", "--password", "correct horse")
    away, restore, back, verify = commands("restore")
    assert "remove the old data first" in project.shell(restore, tmp_path, 2)
    copy = (tmp_path / "chat.rdb").read_bytes()

    for broken in (b"", copy[:-9]):
        (tmp_path / "chat.rdb").write_bytes(broken)
        assert "this is no backup" in project.shell(check, tmp_path, 2)
    project.shell(away, tmp_path)
    for broken in (b"", copy[:-9]):
        (tmp_path / "chat.rdb").write_bytes(broken)
        assert "this is no backup" in project.shell(restore, tmp_path, 2)
    (tmp_path / "chat.rdb").write_bytes(copy)
    project.shell(restore, tmp_path)
    project.shell(back, tmp_path)
    project.wait_until_whole()

    project.shell(verify, tmp_path)
    users = project.do("exec", "-T", "web1", "datchat", "user", "list")
    assert "before@example.org" in users
    assert "after@example.org" not in users
    assert project.master() == "redismaster"
