"""The command line keeps away what it has no use for."""

from __future__ import annotations

import subprocess
import sys

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
