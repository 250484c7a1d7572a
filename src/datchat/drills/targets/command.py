"""A command that runs beside a drill for as long as it is needed, and says when it is ready."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from functools import partial
from typing import Final

from datchat.cluster.kernel import die_with_parent
from datchat.drills.targets import TargetError

LIMIT_S: Final = 20.0
"""How long one may take to be ready."""


class Spoken:
    """A command, not yet begun. It ends with this process, however that ends."""

    def __init__(self, *words: str) -> None:
        self._words = words
        self._process: asyncio.subprocess.Process | None = None
        self._draining: asyncio.Task[None] | None = None

    @property
    def runs(self) -> bool:
        """Whether it was begun, and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def until(self, words: str) -> str:
        """
        Begin it, and return the first line that it says with these words.

        Raises:
            TargetError: It ended before, with the last line that it said; or it takes too long.
        """
        self._process = await asyncio.create_subprocess_exec(
            *self._words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=partial(die_with_parent, os.getpid()),
        )
        stream = self._process.stdout
        assert stream is not None
        last = "it said nothing"
        try:
            async with asyncio.timeout(LIMIT_S):
                while line := await stream.readline():
                    last = line.decode(errors="replace").strip()
                    if words in last:
                        # What it says later has to go somewhere, or it would block.
                        self._draining = asyncio.create_task(_drain(stream))
                        return last
        except TimeoutError:
            last = f"{self._words[0]} was not ready within {LIMIT_S:g} s"
        await self.end()
        raise TargetError(last)

    async def end(self) -> None:
        """End it. Ending again is no error."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            await self._process.wait()
        if self._draining is not None:
            await self._draining


async def run(words: str) -> None:
    """
    Have the shell run what a user gave, to its end.

    Raises:
        TargetError: It failed; with its last line.
    """
    process = await asyncio.create_subprocess_shell(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    said, _ = await process.communicate()
    if process.returncode != 0:
        last = said.decode(errors="replace").strip().rpartition("\n")[2]
        raise TargetError(f"{words!r} failed with {process.returncode}: {last}")


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.read(65536):
        pass
