"""The scripts are plain shell, say what they do, and leave no suite out."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from docs.documents import ROOT, text

SCRIPTS = [path for path in sorted([*ROOT.glob("script/*"), ROOT / ".ci" / "run"]) if path.suffix == ""]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_plain_shell(script: Path) -> None:
    """POSIX sh, executable, with a sentence on top; and nothing that shellcheck would mark, where it is installed."""
    lines = script.read_text().splitlines()

    assert lines[0] == "#!/bin/sh"
    assert re.match(r"# [A-Z].*", lines[1])
    assert os.access(script, os.X_OK)
    subprocess.run(["sh", "-n", script], check=True, timeout=30)
    if shutil.which("shellcheck"):
        checked = subprocess.run(["shellcheck", script], capture_output=True, text=True, timeout=60, check=False)
        assert checked.stdout == ""


def test_every_suite_is_run() -> None:
    """``script/test`` runs each folder of tests, in Python and in JavaScript."""
    run = set(re.findall(r"tests/(\w+)", text("script/test").split("# step NAME", 1)[1]))
    there = {path.parent.relative_to(ROOT / "tests").parts[0] for path in ROOT.glob("tests/*/**/test_*.py")}
    there |= {path.parent.relative_to(ROOT / "tests").parts[0] for path in ROOT.glob("tests/*/*.test.js")}

    assert there - {"support"} <= run


def test_ci_runs_the_same() -> None:
    """What CI runs is the command of the README."""
    assert "exec script/test" in text(".ci/run")
    assert "script/test" in text("README.md")
