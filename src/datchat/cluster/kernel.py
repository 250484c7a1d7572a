"""
The few calls of Linux that Python 3.11 does not have: namespaces, the parent's death, changes of files.

Everything here goes away with the processes that hold it, which is what lets a cluster vanish without a trace even
when its supervisor is killed with -9.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from pathlib import Path
from types import TracebackType
from typing import Final

_libc: Final = ctypes.CDLL(None, use_errno=True)

_CLONE_NEWNET: Final = 0x40000000
_PR_SET_PDEATHSIG: Final = 1

IN_MODIFY: Final = 0x2
IN_DELETE_SELF: Final = 0x400
IN_ATTRIB: Final = 0x4


def _call(name: str, *arguments: object) -> int:
    result: int = getattr(_libc, name)(*arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def new_network() -> int:
    """
    The descriptor of a fresh network namespace, which lives as long as the descriptor or a process in it.

    It bears no name in ``/run/netns``: a name would outlive a crash.

    Raises:
        OSError: The kernel doesn't let this process make one.
    """
    made: list[int | OSError] = []

    def unshare() -> None:
        # unshare() moves the calling thread alone; this one ends and leaves the descriptor.
        try:
            _call("unshare", _CLONE_NEWNET)
            made.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            made.append(error)

    thread = threading.Thread(target=unshare, name="new network")
    thread.start()
    thread.join()
    (outcome,) = made
    if isinstance(outcome, OSError):
        raise outcome
    return outcome


def enter_network(descriptor: int) -> None:
    """Move the calling thread into a network namespace; sockets that it has stay where they were made."""
    _call("setns", descriptor, _CLONE_NEWNET)


class WithinNetwork:
    """
    Being in a network namespace for a moment; can be entered again and again.

    Nothing may be awaited meanwhile: the whole thread is there.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._home = -1

    def __enter__(self) -> None:
        self._home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            enter_network(self._descriptor)
        except BaseException:
            os.close(self._home)
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            enter_network(self._home)
        finally:
            os.close(self._home)


def die_with_parent(parent: int) -> None:
    """
    In a child, before it executes anything: be killed with -9 when the process ``parent`` ends, however it ends.

    prctl(2): the signal comes when the *thread* that made the child ends, and the setting survives execve.
    """
    _call("prctl", _PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)  # it ended before the call above could see it


def watch_files() -> int:
    """The descriptor of a fresh inotify(7) watch, readable when something has happened."""
    return _call("inotify_init1", os.O_CLOEXEC | os.O_NONBLOCK)


def watch_file(watch: int, path: Path, events: int) -> int:
    """Watch one more file for these ``IN_*`` events; returns the number under which its events come."""
    return _call("inotify_add_watch", watch, os.fsencode(path), events)
