"""A library that moves the time of day of the processes that start with it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from datchat.drills.targets import clocks
from datchat.errors import ConfigurationError

ASK = (
    "import os, sys, time\n"
    "for _ in sys.stdin:\n"
    "    print(time.time(), time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME), flush=True)\n"
)


def test_only_the_time_of_day_is_off(tmp_path: Path) -> None:
    """While the process runs, by as much as was said; and right again afterwards."""
    folder = tmp_path / "web0"
    folder.mkdir()
    with clocks.movable(True) as variables:
        words = [sys.executable, "-c", ASK]
        with subprocess.Popen(
            words, cwd=folder, env={**os.environ, **variables}, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None

            def off_by_s() -> list[int]:
                process.stdin.write("\n")
                process.stdin.flush()
                said = map(float, process.stdout.readline().split())
                now = (time.time(), time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME))
                # To the minute: a busy machine takes its time.
                return [round((there - here) / 60) for there, here in zip(said, now, strict=True)]

            assert off_by_s() == [0, 0, 0]
            clock = clocks.clock_of(process.pid, folder)
            assert clock is not None
            for minutes in (60, -60, 0):
                clocks.set_off(clock, 60 * minutes)
                assert off_by_s() == [minutes, 0, 0]
            process.stdin.close()


def test_nothing_is_made_that_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor where there is no compiler; the target says that then."""
    with clocks.movable(False) as variables:
        assert variables == {}
    monkeypatch.setattr(clocks, "compiler", lambda: None)
    with clocks.movable(True) as variables:
        assert variables == {}


def test_a_compiler_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one sentence, with what to install."""
    monkeypatch.setattr(clocks, "compiler", lambda: "false")
    with pytest.raises(ConfigurationError, match="apt-get install gcc libc6-dev"), clocks.movable(True):
        raise AssertionError("there is no library")


def test_a_process_without_the_library_has_no_clock_of_its_own(tmp_path: Path) -> None:
    """Nor has one that is gone."""
    assert clocks.clock_of(os.getpid(), tmp_path) is None
    assert clocks.clock_of(2**22 + 1, tmp_path) is None
