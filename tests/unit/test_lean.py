"""The command line keeps away what it has no use for."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from datchat import app, cli, settings

LOOK = """
import sys
{first}
import datchat.cli, datchat.app
print("rich" in sys.modules)
import rich.console, structlog
structlog.dev.ConsoleRenderer()
"""


def loaded(first: str = "") -> str:
    """Whether rich is loaded after the command line and a node's parts; it can be, and structlog works."""
    words = [sys.executable, "-W", "error", "-c", LOOK.format(first=first)]
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def test_rich_is_loaded_by_who_shows_with_it_alone() -> None:
    """A node does not load it; whoever wants it later has it."""
    assert loaded() == "False"


def test_rich_that_is_there_stays() -> None:
    """In a process that has loaded it, nothing is taken away."""
    assert loaded("import rich") == "True"


def test_garbage_is_looked_for_once_a_node_serves(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not while it is loaded; and from then on not among what was loaded."""
    looked: list[tuple[bool, bool]] = []

    def look() -> None:
        looked.append((gc.isenabled(), gc.get_freeze_count() > 0))

    async def serve(_chosen: settings.Settings, announce: Callable[[str, Path | None], None]) -> None:
        look()
        announce("http://127.0.0.1:1", None)
        look()

    monkeypatch.setattr(app, "serve", serve)
    monkeypatch.setattr("datchat.log.configure_log", lambda *_: None)
    try:
        with pytest.raises(SystemExit) as ended:
            cli.main(["serve", "--data", str(tmp_path)])
    finally:
        gc.unfreeze()
        gc.enable()
    assert ended.value.code == 0
    assert looked == [(False, False), (True, True)]
