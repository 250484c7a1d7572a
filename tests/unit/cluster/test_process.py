"""One part's process: real ones."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from datchat.cluster.process import Process, left_over
from datchat.cluster.recipes import Recipe
from support.clusters import lives
from support.eventually import eventually, eventually_now


def begin(folder: Path, *command: str, errors: str | None = None) -> Process:
    """Start a command in a folder."""
    return Process(Recipe(command, dict(os.environ), errors), folder, folder / "log", nullcontext())


async def test_an_end_is_told(tmp_path: Path) -> None:
    """The exit code comes with the end, and the pid file goes."""
    process = begin(tmp_path, "sh", "-c", "read -r _; exit 7")
    assert await process.ended == 7
    assert (process.running, process.code, left_over(tmp_path)) == (False, 7, None)
    assert not (tmp_path / "pid").exists()


async def test_output_is_appended_to_the_log(tmp_path: Path) -> None:
    """Both outputs go to the log, after what is there; standard error to a file of its own when that is wanted."""
    await begin(tmp_path, "sh", "-c", "echo one; echo two >&2").ended
    await begin(tmp_path, "sh", "-c", "echo three; echo four >&2", errors="errors").ended

    assert (tmp_path / "log").read_text() == "one\ntwo\nthree\n"
    assert (tmp_path / "errors").read_text() == "four\n"


async def test_a_process_is_paused_and_goes_on(tmp_path: Path) -> None:
    """Whoever sends the signal: the state is the kernel's."""
    process = begin(tmp_path, "sleep", "60")
    assert left_over(tmp_path) == process.pid
    os.kill(process.pid, signal.SIGSTOP)
    await eventually(lambda: process.paused)
    process.signal(signal.SIGCONT)
    await eventually(lambda: not process.paused)
    assert not await process.wait(0.01)
    process.signal(signal.SIGKILL)
    assert await process.wait(5)
    assert process.code == -signal.SIGKILL


async def test_signals_to_the_dead_are_ignored(tmp_path: Path) -> None:
    """Its number may be another's by then."""
    process = begin(tmp_path, "true")
    await process.ended
    process.signal(signal.SIGKILL)
    assert process.code == 0


async def test_a_program_that_is_missing_is_told(tmp_path: Path) -> None:
    """The start fails, instead of a process that has failed."""
    with pytest.raises(FileNotFoundError):
        begin(tmp_path, "no-such-program")


async def test_a_part_may_open_as_many_files_as_the_machine_allows(tmp_path: Path) -> None:
    """The soft limit is raised to the hard one: a node holds thousands of sockets."""
    await begin(tmp_path, "sh", "-c", "ulimit -Sn; ulimit -Hn").ended
    soft, hard = (tmp_path / "log").read_text().split()
    assert soft == hard


def test_a_part_dies_with_the_supervisor(tmp_path: Path) -> None:
    """kill -9 of the one that started it ends it too, although it is in a session of its own."""
    script = f"""
import asyncio, os
from contextlib import nullcontext
from pathlib import Path
from datchat.cluster.process import Process
from datchat.cluster.recipes import Recipe

async def main():
    process = Process(Recipe(["sleep", "60"], os.environ), Path({str(tmp_path)!r}), Path("log"), nullcontext())
    print(process.pid, flush=True)
    await process.ended

asyncio.run(main())
"""
    supervisor = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    assert supervisor.stdout is not None
    part = int(supervisor.stdout.readline())
    assert lives(part)
    supervisor.kill()
    supervisor.wait()
    supervisor.stdout.close()

    eventually_now(lambda: not lives(part))


async def test_waiting_ends_with_the_limit(tmp_path: Path) -> None:
    """A process that goes on is not waited for beyond the limit."""
    process = begin(tmp_path, "sleep", "60")
    began = asyncio.get_running_loop().time()
    assert not await process.wait(0.05)
    assert asyncio.get_running_loop().time() - began < 5
    process.signal(signal.SIGKILL)
    await process.ended
