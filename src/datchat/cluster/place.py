"""The directory of a cluster: whose it is, who runs in it, what was left behind in it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from datchat.cluster.files import SECRET
from datchat.cluster.parts import PLAN
from datchat.cluster.process import left_over
from datchat.errors import ConfigurationError

LOCK: Final = "lock"
SOCKET: Final = "supervisor.sock"
SUPERVISOR_LOG: Final = "supervisor.log"
GUARD: Final = "boot-guard"

_FILES: Final = (PLAN, LOCK, SOCKET, SUPERVISOR_LOG, GUARD, SECRET)
_PART: Final = re.compile(r"redismaster|redisslave\d*|redissentinel\d*|web\d+|haproxy")


def claim(directory: Path) -> int:
    """
    Make the directory when it is missing, and claim it for this process while the returned descriptor is open.

    Raises:
        ConfigurationError: A cluster runs in it, it holds other things, or it can't be written to.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        strangers = [entry.name for entry in directory.iterdir() if not _ours(entry)]
        if strangers and not (directory / PLAN).exists():
            raise ConfigurationError(f"{directory} holds other things, as {strangers[0]}: choose another with --dir")
        descriptor = _lock(directory)
    except FileExistsError:
        raise ConfigurationError(f"{directory} is no directory: choose another with --dir") from None
    except OSError as error:
        raise ConfigurationError(f"{directory} can't be used ({error.strerror}): choose another with --dir") from None
    if descriptor is None:
        raise ConfigurationError(
            f"{directory} already runs a cluster: take it down with `datchat down --dir {directory}`, "
            "or choose another with --dir"
        )
    return descriptor


def runs(directory: Path) -> bool:
    """Whether a supervisor runs in the directory."""
    try:
        descriptor = _lock(directory, make=False)
    except OSError:
        return False
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def _lock(directory: Path, make: bool = True) -> int | None:
    while True:
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if make else 0)
        descriptor = os.open(directory / LOCK, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        with contextlib.suppress(FileNotFoundError):
            if os.fstat(descriptor).st_ino == os.stat(directory / LOCK).st_ino:
                return descriptor
        os.close(descriptor)  # whoever held it took the directory away in the meantime
        if not make:
            raise FileNotFoundError


def clear(directory: Path) -> None:
    """End what a supervisor that was killed has left running, and remove its sockets. The directory must be claimed."""
    left = [pid for folder in _folders(directory) if (pid := left_over(folder)) is not None]
    for pid in left:
        # The kernel has sent the same signal already; this is for whoever it did not reach.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while any(left_over(folder) for folder in _folders(directory)) and time.monotonic() < deadline:
        time.sleep(0.01)
    for folder in _folders(directory):
        for stale in (folder / "pid", *folder.glob("*.sock*")):
            stale.unlink(missing_ok=True)
    (directory / SOCKET).unlink(missing_ok=True)


def remove(directory: Path) -> bool:
    """Remove all that a cluster has left in its directory, and the directory unless others put something there."""
    for folder in _folders(directory):
        shutil.rmtree(folder)
    for name in _FILES:
        (directory / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        directory.rmdir()
        return True
    return False


def _folders(directory: Path) -> Iterator[Path]:
    return (entry for entry in directory.iterdir() if _PART.fullmatch(entry.name) and entry.is_dir())


def _ours(entry: Path) -> bool:
    return entry.name in _FILES or (_PART.fullmatch(entry.name) is not None and entry.is_dir())
