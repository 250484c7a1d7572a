"""Drills of a deployment that runs, as `datchat drill --target` does them: anything but valid fails."""

from __future__ import annotations

import os
import shutil
from itertools import count
from pathlib import Path
from typing import Final

import msgspec
import pytest

from datchat.drills.result import Result
from support.process import datchat

needs_crashes = pytest.mark.skipif(
    "DATCHAT_CRASH_COMMAND" not in os.environ,
    reason="DATCHAT_CRASH_COMMAND and DATCHAT_RESTORE_COMMAND don't say how to crash a host",
)
LIMIT_S: Final = 500
_TOLD: Final = ("CRASH_COMMAND", "RESTORE_COMMAND", "ENGINES", "CLIENTS", "RATE")
"""Options of a drill that whoever runs the tests may give, as variables."""


def drilled(target: str, scenario: str, folder: Path, *words: str | Path) -> Result:
    """
    What a drill came to: valid, with nothing lost and enough done. Its files are ``result.json`` and ``report.html`` in
    the folder; where DRILL_RESULTS names another one, the result is kept there as well.
    """
    json, report = folder / "result.json", folder / "report.html"
    told = {name: os.environ[name] for name in (f"DATCHAT_{option}" for option in _TOLD) if name in os.environ}
    files = ["--json", json, "--report", report]
    done = datchat("drill", scenario, "--target", target, *files, *words, timeout_s=LIMIT_S, **told)
    assert json.is_file(), done.stdout + done.stderr
    result = msgspec.json.decode(json.read_bytes(), type=Result)
    if kept := os.environ.get("DRILL_RESULTS"):
        shutil.copy(json, _free(Path(kept), f"{target}-{scenario}"))
    assert (done.returncode, result.verdict) == (0, "valid"), done.stdout + done.stderr
    assert (result.lost, result.doubled, result.reordered, result.gaps, result.phantoms) == (0, 0, 0, 0, 0)
    assert result.target == target
    assert result.acknowledged > 100
    assert result.faults
    assert "unknown" not in result.versions.values()
    return result


def _free(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return next(path for number in count(1) if not (path := folder / f"{name}-{number}.json").exists())
