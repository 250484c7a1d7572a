"""
The supervisor's process, apart from whoever asked for it: nothing that happens to a terminal reaches the cluster.

``datchat up`` in the foreground holds a lifeline instead: when it ends, however it ends, the supervisor hears of it and
stops the parts in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import traceback
from typing import Any, NoReturn

from datchat.cluster.life import live
from datchat.cluster.parts import load_plan
from datchat.cluster.place import SUPERVISOR_LOG, claim, remove
from datchat.cluster.wish import Wish
from datchat.errors import ConfigurationError
from datchat.log import configure_log


class Daemon:
    """
    A supervisor that was just started. ``reports`` is the descriptor on which it reports, a line of JSON each, and
    which ends with it.
    """

    def __init__(self, wish: Wish, bound: bool) -> None:
        """Start it; ``bound`` to the life of this process."""
        self.reports, report = os.pipe()
        held, self._lifeline = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _be_daemon(wish, report, held if bound else None)
        os.close(report)
        os.close(held)

    def end(self) -> None:
        """Ask it to stop the parts in order and end."""
        os.close(self._lifeline)

    def kill(self) -> None:
        """End it at once, and with it every part."""
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> bool:
        """Wait for its end; whether it was in order."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]) == 0


def _be_daemon(wish: Wish, report: int, lifeline: int | None) -> NoReturn:
    code = 1
    try:
        os.setsid()
        _close_all_but(report, lifeline)
        claimed = _claim(wish, report)
        if claimed is not None:
            _redirect(
                os.open(wish.directory / SUPERVISOR_LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
            )
            configure_log("text", "info", "supervisor")
            code = _run(wish, report, lifeline)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _claim(wish: Wish, report: int) -> int | None:
    try:
        return claim(wish.directory)
    except ConfigurationError as error:
        _tell(report, {"error": str(error)})
        return None


def _run(wish: Wish, report: int, lifeline: int | None) -> int:
    try:
        asyncio.run(live(wish, lambda message: _tell(report, message), lifeline))
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        if load_plan(wish.directory) is None:
            remove(wish.directory)  # nothing came of it
        _tell(report, {"error": str(error)})
        return 2
    return 0


def _tell(report: int, message: dict[str, Any]) -> None:
    # `up --detach` listens only until the cluster is ready.
    with contextlib.suppress(BrokenPipeError):
        os.write(report, json.dumps(message).encode() + b"\n")


def _close_all_but(*kept: int | None) -> None:
    # Whoever started us may wait for the end of a pipe, or of a lock, that was handed down.
    for name in os.listdir("/proc/self/fd"):
        descriptor = int(name)
        if descriptor > 2 and descriptor not in kept:
            with contextlib.suppress(OSError):  # one was the listing's own
                os.close(descriptor)
    _redirect(os.open(os.devnull, os.O_RDWR))


def _redirect(descriptor: int) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
