"""The parts' logs as they grow, told by the kernel rather than looked at by the clock."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from datchat.cluster.kernel import IN_ATTRIB, IN_DELETE_SELF, IN_MODIFY, watch_file, watch_files

LONGEST: Final = 65536
"""Bytes of a line that has no end yet before it is shown all the same."""


class Follower:
    """
    Follows files from where they end now. ``descriptor`` is readable when there is something to ``read``.
    """

    def __init__(self, files: Mapping[str, Path]) -> None:
        self.descriptor = watch_files()
        self.starts: dict[str, int] = {}
        """Where each file ended at the beginning: what lies before is not followed."""
        self._files: dict[str, int] = {}
        self._begun: dict[str, bytes] = {}
        for name, path in files.items():
            watch_file(self.descriptor, path, IN_MODIFY | IN_DELETE_SELF | IN_ATTRIB)
            self._files[name] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self.starts[name] = os.lseek(self._files[name], 0, os.SEEK_END)
            self._begun[name] = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self.descriptor)
        for file in self._files.values():
            os.close(file)

    @property
    def gone(self) -> bool:
        """Whether every file was deleted, so that nothing more will come."""
        return all(os.fstat(file).st_nlink == 0 for file in self._files.values())

    def read(self) -> Iterator[tuple[str, str]]:
        """The whole lines that came, with the name of their file."""
        with contextlib.suppress(BlockingIOError):  # asked for although nothing was told
            os.read(self.descriptor, 65536)
        for name, file in self._files.items():
            while chunk := os.read(file, LONGEST):
                *lines, rest = (self._begun[name] + chunk).split(b"\n")
                if len(rest) > LONGEST:
                    lines, rest = [*lines, rest], b""
                self._begun[name] = rest
                yield from ((name, line.decode(errors="replace")) for line in lines)
