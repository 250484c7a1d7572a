"""
Parts whose time of day can be changed while they run: they start with a small library that adds to it (``clock.c``).

Only the time of day: what measures durations (CLOCK_MONOTONIC, CLOCK_BOOTTIME) is left alone, as it is on a host whose
administrator sets the clock. libfaketime, which could do the same, hangs with Redis' allocator.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from datchat.cluster.recipes import search_path
from datchat.errors import ConfigurationError

COMPILER: Final = "cc"
SOURCE: Final = Path(__file__).with_name("clock.c")
VARIABLE: Final = "DRILL_CLOCKS"
_LIBRARY: Final = "datchat-clock.so"
_COMPILE_S: Final = 60


def compiler() -> str | None:
    """Where the C compiler is; None when it isn't there."""
    return shutil.which(COMPILER, path=search_path())


@contextmanager
def movable(wanted: bool) -> Iterator[Mapping[str, str]]:
    """
    The variables with which parts have to be started; none when that isn't wanted, or there is no compiler.

    Raises:
        ConfigurationError: The library can't be made.
    """
    found = compiler()
    if found is None or not wanted:
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="datchat-clocks-") as folder:
        library = str(Path(folder, _LIBRARY))
        words = [found, "-shared", "-fPIC", "-O2", "-o", library, str(SOURCE)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=_COMPILE_S, check=False)
        if done.returncode != 0:
            raise ConfigurationError(f"{COMPILER} can't compile: apt-get install gcc libc6-dev ({done.stderr.strip()})")
        yield {"LD_PRELOAD": library, VARIABLE: folder}


def clock_of(pid: int, folder: Path) -> Path | None:
    """The file by which the clock of a process goes that runs in a directory; None when it wasn't started so."""
    # Not by its environment: Redis writes its title there.
    try:
        maps = Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return None
    library = next((line.split(maxsplit=5)[-1] for line in maps.splitlines() if line.endswith(f"/{_LIBRARY}")), None)
    return Path(library).with_name(folder.name) if library else None


def set_off(clock: Path, by_s: int) -> None:
    """Have a clock be so many seconds ahead, or behind, from now on."""
    # In place, and at once: the process has the file in its memory.
    with open(clock, "r+b", buffering=0) as file:
        file.write(struct.pack("=q", by_s))
