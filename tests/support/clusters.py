"""Whole clusters of real processes, brought up and taken down by the command line."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from datchat.cli import main
from datchat.drills.targets.local import attached
from support import speakers
from support.eventually import eventually_now
from support.process import datchat

REDIS = ("redismaster", "redisslave", "redisslave2")
SENTINELS = ("redissentinel", "redissentinel2", "redissentinel3")
WEB = ("web0", "web1", "web2")
PARTS = (*REDIS, *SENTINELS, *WEB, "haproxy")

needs_servers = pytest.mark.skipif(
    not os.environ.get("CI") and shutil.which("redis-server") is None, reason="redis-server is missing"
)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


class Cluster:
    """A cluster in a directory, as a context manager that leaves nothing behind."""

    def __init__(self, directory: Path, *arguments: str, **variables: str) -> None:
        self.directory = directory
        self.url = ""
        self.port = "0"
        self.took_s = 0.0
        self._arguments = arguments
        self._variables = variables

    def __enter__(self) -> Self:
        self.up()
        speakers.alive[str(self.directory)] = self.said
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        del speakers.alive[str(self.directory)]
        self.do("down")

    def up(self) -> str:
        """Bring it up, on the port that it had before; returns what was said."""
        said = self.do("up", "--detach", "--port", self.port, *self._arguments)
        self.url = said.split()[4]
        self.port = self.url.rpartition(":")[2]
        self.took_s = float(re.findall(r"ready after (\S+) s", said)[0])
        return said

    def do(self, *arguments: str, code: int = 0) -> str:
        """
        Run a command to its end; returns what it said, on standard error when the code is none of success.

        All but ``up`` run in this process, by the same function as on the command line: Python takes longer to start
        than most of them take.
        """
        command, *rest = arguments
        words = [command, "--dir", str(self.directory), *rest]
        if command == "up":
            done = datchat(*words, timeout_s=90, **self._variables)
            returned, out, err = done.returncode, done.stdout, done.stderr
        else:
            returned, out, err = _run(words)
        assert returned == code, f"{arguments}: {returned}: {out}{err}"
        return err if code else out

    def ps(self) -> dict[str, dict[str, Any]]:
        """The parts by name, in order."""
        return {part["name"]: part for part in json.loads(self.do("ps", "--json"))}

    def states(self) -> dict[str, str]:
        return {name: part["state"] for name, part in self.ps().items()}

    def roles(self) -> dict[str, str | None]:
        """The roles of the Redis servers."""
        parts = self.ps()
        return {name: parts[name]["role"] for name in REDIS}

    def master(self) -> str:
        """The one server that is master; empty while there is none, or more than one."""
        masters = [name for name, role in self.roles().items() if role == "master"]
        return masters[0] if len(masters) == 1 else ""

    def settled(self) -> bool:
        """Whether it is whole, for each of its parts: one master, sentinels that agree, nodes that are ready."""
        return not self.trouble()

    def trouble(self) -> str | None:
        """Why it is not whole."""

        async def ask() -> str | None:
            async with attached(self.directory) as cluster:
                return await cluster.trouble()

        if down := {name: state for name, state in self.states().items() if state != "running"}:
            return str(down)
        with ThreadPoolExecutor(1) as thread:  # whoever calls may stand in a loop of his own
            return thread.submit(asyncio.run, ask()).result()

    def log(self, name: str) -> str:
        return (self.directory / name / "log").read_text()

    def said(self, lines: int = 40) -> str:
        """The last lines of every part, for whoever looks for the reason of a failure."""
        logs = {log.parent.name: log.read_text().splitlines() for log in sorted(self.directory.glob("*/log"))}
        return "\n".join(f"{name} | {line}" for name, said in logs.items() for line in said[-lines:])

    def supervisor(self) -> int:
        """The number of the supervisor's process."""
        return parent_of(self.ps()["haproxy"]["pid"])

    def mend(self) -> None:
        """Undo what a test has done: everything runs again, together, with one master."""
        self.do("heal")
        states = self.states()
        if paused := [name for name, state in states.items() if state == "paused"]:
            self.do("unpause", *paused)
        if down := [name for name, state in states.items() if state in ("stopped", "failed")]:
            self.do("start", *down)
        eventually_now(self.settled, 60, describe=self.trouble)


def _run(words: list[str]) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(words)
        except SystemExit as ended:
            return int(ended.code or 0), out.getvalue(), err.getvalue()


def parent_of(pid: int) -> int:
    return int(_stat(pid)[1])


def lives(pid: int) -> bool:
    """Whether a process runs: neither gone nor a zombie."""
    try:
        return _stat(pid)[0] not in "ZX"
    except OSError:
        return False


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
