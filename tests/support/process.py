"""The command line as people run it: real processes of the ``datchat`` beside this Python."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from support.eventually import eventually_now

DATCHAT = Path(sys.executable).with_name("datchat")
START_S = 20.0


def environment(**variables: str) -> dict[str, str]:
    """The test's environment without settings of its own, but with cheap passwords."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DATCHAT_")}
    return {**kept, "DATCHAT_PASSWORD_HASH": "cheap", **variables}


def datchat(
    *arguments: str | Path, cwd: Path | None = None, timeout_s: float = 30, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [DATCHAT, *map(str, arguments)],
        env=environment(**variables),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


class ServerProcess:
    """
    ``datchat serve`` on a free port, as a context manager that leaves no process behind.

    ``url`` is known once it serves; ``start`` after an end begins a new process on the same port.
    """

    def __init__(self, *arguments: str | Path, cwd: Path | None = None, **variables: str) -> None:
        self._cwd = cwd
        self._arguments = [str(argument) for argument in arguments]
        self._variables = variables
        self._port = "0"
        self._folder = tempfile.TemporaryDirectory()
        self.process: subprocess.Popen[str] | None = None
        self.url = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self._folder.cleanup()

    def start(self) -> None:
        """Begin a process and wait until it serves."""
        port = [] if "--port" in self._arguments else ["--port", self._port]
        with self._file("out").open("wb") as output, self._file("log").open("ab") as log:
            self.process = subprocess.Popen(
                [DATCHAT, "serve", *port, *self._arguments],
                env=environment(**self._variables),
                cwd=self._cwd,
                stdout=output,
                stderr=log,
                text=True,
            )
        eventually_now(self._serves, START_S, describe=self.log)

    def _serves(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"it ended with {self.process.returncode}: {self.log()}"
        said = re.search(r"serves (http://\S+)\n", self.output())
        if said is None:
            return False
        self.url = said[1]
        self._port = self.url.rpartition(":")[2]
        return True

    def output(self) -> str:
        """What it has said on standard output since its start."""
        return self._file("out").read_text()

    def log(self) -> str:
        """Everything on standard error, of all its processes."""
        return self._file("log").read_text()

    def _file(self, name: str) -> Path:
        return Path(self._folder.name) / name

    def ready(self) -> bool:
        """Whether ``/readyz`` answers 200."""
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError):
            return False

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self, timeout_s: float = 10.0) -> int:
        """Wait for its end; returns the exit code."""
        assert self.process is not None
        return self.process.wait(timeout_s)

    def kill(self) -> None:
        """SIGKILL, unless it has ended."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
        if self.process is not None:
            self.process.wait()
