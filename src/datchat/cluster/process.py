"""
One part's process: started in its network, bound to the life of the supervisor, watched without polling.

A pid file tells later commands what to clean up when the supervisor could not; it holds the start time and the boot
too, because a number alone may belong to somebody else by then.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Final

from datchat.cluster.kernel import die_with_parent
from datchat.cluster.recipes import Recipe

PID: Final = "pid"


class Process:
    """A running process, or one that has ended. To be made on the supervisor's main thread, with its loop running."""

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        log: Path,
        network: AbstractContextManager[None],
        inherit: tuple[int, ...] = (),
    ) -> None:
        """
        Start the process in ``folder``, with its output appended to ``log``.

        Raises:
            OSError: It can't be started.
        """
        self._folder = folder
        with (
            open(log, "ab", buffering=0) as output,
            open(folder / recipe.errors, "wb", buffering=0) if recipe.errors else nullcontext(output) as errors,
            network,
        ):
            self._child = subprocess.Popen(
                recipe.command,
                cwd=folder,
                env=dict(recipe.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                start_new_session=True,  # Ctrl-C in a terminal is for the supervisor, which stops the parts in order
                pass_fds=inherit,
                preexec_fn=_prepare(os.getpid()),
            )
        self.pid = self._child.pid
        self._descriptor = os.pidfd_open(self.pid)
        self.code: int | None = None
        self.ended = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(self._descriptor, self._reap)
        (folder / PID).write_text(f"{identity(self.pid)}\n")

    @property
    def running(self) -> bool:
        return self.code is None

    @property
    def paused(self) -> bool:
        """Whether it is stopped by a signal now, whoever sent it."""
        return self.running and _stat(self.pid)[0] == "T"

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; ignored when it has ended. A number that was given to another process since is never hit."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, number)

    async def wait(self, limit_s: float) -> bool:
        """Whether it ended within the limit."""
        await asyncio.wait([self.ended], timeout=limit_s)
        return not self.running

    def _reap(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        self.code = self._child.wait()
        os.close(self._descriptor)
        (self._folder / PID).unlink(missing_ok=True)
        self.ended.set_result(self.code)


def _prepare(parent: int) -> Callable[[], None]:
    def prepare() -> None:
        die_with_parent(parent)
        os.umask(0o077)
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    return prepare


def identity(pid: int) -> str:
    """
    What tells a process from all others of this machine, ever: its number, its start and the boot (proc(5)).

    Raises:
        OSError: There is no such process.
    """
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{pid} {_stat(pid)[19]} {boot}"


def _stat(pid: int) -> list[str]:
    # The name in parentheses may hold anything; what follows the last one is fixed: state, ppid, … start time (20th).
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def left_over(folder: Path) -> int | None:
    """The number of the process that the pid file in ``folder`` tells of, when it still runs."""
    try:
        told = (folder / PID).read_text().strip()
        pid = int(told.split()[0])
        return pid if identity(pid) == told and _stat(pid)[0] != "Z" else None
    except (OSError, ValueError, IndexError):
        return None
