"""
A disk that is slow to confirm, as the process sees it: each of its fsync and fdatasync calls takes longer.

strace(1) holds the call back after the kernel has done it; the process stands still meanwhile, as it would in front of
a disk that hangs. When strace ends, however it ends, the process goes on as before.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from functools import partial
from typing import Final

from datchat.cluster.kernel import die_with_parent
from datchat.cluster.recipes import search_path

STRACE: Final = "strace"
CALLS: Final = "fsync,fdatasync"
ATTACH_S: Final = 10.0
DETACH_S: Final = 10.0


def strace() -> str | None:
    """Where it is; None when it isn't there."""
    return shutil.which(STRACE, path=search_path())


class SlowDisk:
    """A process whose disk is ``delay_s`` late."""

    def __init__(self, pid: int, delay_s: float) -> None:
        self._pid = pid
        self._delay_us = int(delay_s * 1_000_000)
        self._tracer: asyncio.subprocess.Process | None = None

    async def open(self) -> None:
        """
        Begin.

        Raises:
            OSError: The process can't be traced.
        """
        words = [strace() or STRACE, "-f", "-o", os.devnull, "-e", f"trace={CALLS}"]
        words += ["-e", f"inject={CALLS}:delay_exit={self._delay_us}", "-p", str(self._pid)]
        self._tracer = await asyncio.create_subprocess_exec(
            *words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            preexec_fn=partial(die_with_parent, os.getpid()),
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(ATTACH_S):
                await self._attached(self._tracer)
        except BaseException:
            await self.close()
            raise

    async def _attached(self, tracer: asyncio.subprocess.Process) -> None:
        assert tracer.stderr is not None
        said = b""
        while b"attached" not in said:
            line = await tracer.stderr.readline()
            if not line:
                raise OSError(f"strace can't attach: {said.decode(errors='replace').strip()}")
            said += line

    async def close(self) -> None:
        """End: the process is let go."""
        tracer, self._tracer = self._tracer, None
        if tracer is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                tracer.send_signal(number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DETACH_S):
                    # What it says is taken, or it would wait for us.
                    await tracer.communicate()
                    return
