"""What the commands for a cluster do; each returns an exit code."""

from __future__ import annotations

import argparse
import json
import os
import selectors
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from datchat.cluster.control import NoSupervisorError, Request, command
from datchat.cluster.daemon import Daemon
from datchat.cluster.display import Printer, table
from datchat.cluster.files import LOG
from datchat.cluster.follow import Follower
from datchat.cluster.parts import Part, Plan, load_plan
from datchat.cluster.place import claim, clear, remove, runs
from datchat.cluster.wish import Wish
from datchat.errors import ConfigurationError

FINE: Final = 0
CANT: Final = 2


def up(options: argparse.Namespace) -> int:
    """Bring a cluster up: in the foreground with its output, or detached."""
    if sys.platform != "linux":
        raise ConfigurationError("a cluster of local processes needs Linux: use a virtual machine or a container")
    wish = Wish(
        directory=directory_of(options),
        host=options.host,
        port=options.port,
        web=options.web,
        replicas=options.replicas,
        network=options.network,
        web_store=options.web_store,
        store_options=options.store_options,
        web_command=options.web_command,
        restart=options.restart,
    )
    daemon = Daemon(wish, bound=not options.detach)
    return _until_ready(daemon, wish) if options.detach else _attended(daemon, wish)


def _until_ready(daemon: Daemon, wish: Wish) -> int:
    with open(daemon.reports) as reports:
        for line in reports:
            message = json.loads(line)
            _tell(message)
            if "ready" in message:
                print(f"take it down with: datchat down --dir {wish.directory}")
                return FINE
            if "error" in message:
                daemon.wait()
                return CANT
    return _died(wish)


def _attended(daemon: Daemon, wish: Wish) -> int:
    """Print what the parts say until the supervisor ends; Ctrl-C has it stop them in order, a second one at once."""
    attendance = _Attendance(daemon, wish)
    while True:
        try:
            attendance.attend()
            break
        except KeyboardInterrupt:
            attendance.interrupt()
    if attendance.failed:
        daemon.wait()
        return CANT
    return FINE if daemon.wait() or attendance.interrupts > 1 else _died(wish)


class _Attendance:
    def __init__(self, daemon: Daemon, wish: Wish) -> None:
        self.interrupts = 0
        self.failed = False
        self._daemon = daemon
        self._wish = wish
        self._reports = os.fdopen(daemon.reports, "rb", buffering=0)
        self._begun = b""
        self._follower: Follower | None = None
        self._printer: Printer | None = None
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._reports, selectors.EVENT_READ)

    def attend(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is not self._reports:
                    self._print()
                elif not self._read_reports():
                    self._print()
                    return

    def interrupt(self) -> None:
        self.interrupts += 1
        if self.interrupts == 1:
            print("stopping the parts in order; Ctrl-C again ends them at once", flush=True)
            self._daemon.end()
        else:
            self._daemon.kill()

    def _read_reports(self) -> bool:
        if not (chunk := self._reports.read(65536)):
            return False
        *lines, self._begun = (self._begun + chunk).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "laid" in message:
                self._follow()
            self.failed = self.failed or "error" in message
            _tell(message)
        return True

    def _follow(self) -> None:
        plan = _plan_of(self._wish.directory)
        self._follower = Follower(_logs(self._wish.directory, plan.parts))
        self._printer = Printer([part.name for part in plan.parts], sys.stdout)
        self._selector.register(self._follower.descriptor, selectors.EVENT_READ)

    def _print(self) -> None:
        if self._follower and self._printer:
            self._printer.print(self._follower.read())


def _tell(message: dict[str, Any]) -> None:
    if "note" in message:
        print(f"datchat: {message['note']}", file=sys.stderr)
    if "error" in message:
        print(f"datchat: {message['error']}", file=sys.stderr)
    if ready := message.get("ready"):
        print(f"Dat Chat runs at {ready['url']} ({ready['parts']} parts, ready after {ready['took_s']} s)", flush=True)


def _died(wish: Wish) -> int:
    print(f"datchat: the cluster's supervisor died: see {wish.directory / 'supervisor.log'}", file=sys.stderr)
    return CANT


def ps(options: argparse.Namespace) -> int:
    """List the parts as they are now."""
    answer = command(directory_of(options), Request("ps"), print)
    print(json.dumps(answer["parts"], indent=1) if options.json else table(answer["parts"], answer["cuts"]))
    return FINE


def act(options: argparse.Namespace) -> int:
    """Have the cluster do something with some of its parts, or with all."""
    command(directory_of(options), Request(options.do, getattr(options, "names", [])), _say)
    return FINE


def _say(line: str) -> None:
    print(line, flush=True)


def logs(options: argparse.Namespace) -> int:
    """Print the parts' logs, and go on as they grow."""
    directory = directory_of(options)
    plan = _plan_of(directory)
    parts = plan.chosen(options.names)
    printer = Printer([part.name for part in parts], sys.stdout)
    files = _logs(directory, parts)
    with Follower(files) as follower:
        for name, path in files.items():
            printer.print((name, line) for line in _last_lines(path, follower.starts[name], options.tail))
        while options.follow and not follower.gone:
            _wait(follower.descriptor)
            printer.print(follower.read())
    return FINE


def _wait(descriptor: int) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        selector.select()


def _last_lines(path: Path, end: int, count: int | None) -> Iterable[str]:
    lines = _lines(path, end)
    return lines if count is None else deque(lines, maxlen=count)


def _lines(path: Path, end: int) -> Iterator[str]:
    with path.open("rb") as file:
        for line in file:
            end -= len(line)
            if end < 0:
                return  # the follower shows it
            yield line.decode(errors="replace").removesuffix("\n")


def down(options: argparse.Namespace) -> int:
    """Stop every part and remove all that the cluster has left; also after a supervisor that was killed."""
    directory = directory_of(options)
    began = time.monotonic()
    if not directory.is_dir() or load_plan(directory) is None:
        print(f"there is no cluster in {directory}")
        return FINE
    if runs(directory):
        try:
            command(directory, Request("down", keep_data=options.keep_data), _say)
        except NoSupervisorError:
            _clean_up(directory, options.keep_data)
    else:
        _clean_up(directory, options.keep_data)
    left = f"; its data stay in {directory}" if options.keep_data else ""
    print(f"the cluster is down after {time.monotonic() - began:.1f} s{left}")
    return FINE


def _clean_up(directory: Path, keep_data: bool) -> None:
    """Do what a supervisor that was killed could not."""
    deadline = time.monotonic() + 5
    while runs(directory) and time.monotonic() < deadline:
        time.sleep(0.02)  # it is being killed just now, and holds its lock until it is gone
    if not directory.is_dir():
        return
    claimed = claim(directory)
    clear(directory)
    if not keep_data:
        remove(directory)
    os.close(claimed)


def directory_of(options: argparse.Namespace) -> Path:
    """The cluster's directory, absolute, so that it means the same to the supervisor."""
    return Path(options.dir).absolute()


def _plan_of(directory: Path) -> Plan:
    plan = load_plan(directory)
    if plan is None:
        raise ConfigurationError(f"there is no cluster in {directory}: start one with `datchat up --dir {directory}`")
    return plan


def _logs(directory: Path, parts: tuple[Part, ...]) -> dict[str, Path]:
    return {part.name: directory / part.name / LOG for part in parts}
