"""A server to measure: a process of its own on a free port, with an account that may post without limit."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

PASSWORD = "correct horse battery"
START_S = 30.0


@dataclass(frozen=True)
class Served:
    """Where it serves, its process, and who is signed in."""

    url: str
    pid: int
    token: str
    data: Path

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


def raise_file_limit() -> int:
    """As many open files as this user may have; thousands of sockets need them. Children inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


@contextlib.contextmanager
def served(fill: Callable[[Path], None] = lambda data: None, **variables: str) -> Iterator[Served]:
    """
    Serve from a fresh data directory until the block ends.

    ``fill`` may put something into it first; ``variables`` are settings, as ``PING_S="600"``.
    """
    connections = str(raise_file_limit() - 500)
    chosen = {
        "CONNECTIONS": connections,
        "POST_RATE": "0",
        "COMMAND_RATE": "0",
        "PASSWORD_HASH": "cheap",
        "LOG_LEVEL": "warning",
        **variables,
    }
    with tempfile.TemporaryDirectory(prefix="datchat-bench-") as folder:
        fill(Path(folder))
        process = subprocess.Popen(
            [Path(sys.executable).with_name("datchat"), "serve", "--port", "0", "--data", folder],
            env={**os.environ, **{f"DATCHAT_{name}": value for name, value in chosen.items()}},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            url = _url(process)
            yield Served(url, process.pid, _sign_in(url), Path(folder))
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def _url(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"serves (http://\S+)", line):
            return found[1]
    raise SystemExit("the server did not start; see its message above")


def _sign_in(url: str) -> str:
    account = {"email": "bench@example.org", "password": PASSWORD}
    with httpx.Client(base_url=f"{url}/api/v1", trust_env=False, timeout=30) as http:
        http.post("/accounts", json=account).raise_for_status()
        return str(http.post("/sessions", json=account).raise_for_status().json()["token"])


def settle(pid: int, quiet_s: float = 0.3) -> None:
    """Wait until a process uses (next to) no processor time any more."""
    deadline = time.monotonic() + START_S
    before = _ticks(pid)
    while time.monotonic() < deadline:
        time.sleep(quiet_s)
        now = _ticks(pid)
        if now - before <= 1:
            return
        before = now


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])
