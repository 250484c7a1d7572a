"""Drills as people run them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from datchat.drills.result import Result
from support.process import datchat


@dataclass(frozen=True)
class Ended:
    """A drill that has ended."""

    code: int
    out: str
    err: str
    result: Result
    report: str


@pytest.fixture
def drill(tmp_path: Path) -> Callable[..., Ended]:
    """Runs ``datchat drill`` with these words, and reads what it wrote."""

    def run(*words: str) -> Ended:
        json, report = tmp_path / "result.json", tmp_path / "report.html"
        done = datchat("drill", *words, "--json", json, "--report", report, timeout_s=240)
        assert json.is_file(), done.stdout + done.stderr
        result = msgspec.json.decode(json.read_bytes(), type=Result)
        return Ended(done.returncode, done.stdout, done.stderr, result, report.read_text())

    return run
