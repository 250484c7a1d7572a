"""Test-beds: real clusters of a tool on this machine, with hosts that can be crashed; beside the repository."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Final, Self

import httpx
import pytest

from support.eventually import eventually_now
from support.process import DATCHAT

ROOT: Final = Path(__file__).parents[2]
BEDS: Final = ROOT.parent / "shared" / "testbeds"
WHOLE_S: Final = 180
"""How long a deployment may take to be whole, on a busy machine."""
DRILL_S: Final = 400

CHEAP: Final = {
    "DATCHAT_PASSWORD_HASH": "cheap",
    "DATCHAT_POST_RATE": "0",
    "DATCHAT_COMMAND_RATE": "0",
    "DATCHAT_SIGN_IN_RATE": "0",
}
"""What the nodes are told, so that a drill's people come at once and post faster than people do."""


def needs(bed: str) -> pytest.MarkDecorator:
    """Skips where the test-bed is not there, or this is not root."""
    if os.geteuid() != 0:
        return pytest.mark.skipif(True, reason=f"a cluster of {bed} on one machine needs root")
    return pytest.mark.skipif(
        not (BEDS / bed).is_dir(), reason=f"no cluster of {bed}: there is no ../shared/testbeds/{bed}"
    )


class TestBed:
    """A cluster, as a context manager that leaves nothing behind."""

    __test__ = False
    bed: ClassVar[str]
    namespaces: ClassVar[str]
    """How the names of its network namespaces begin."""

    def __init__(self, nodes: int) -> None:
        self.nodes = nodes
        self.home = Path(tempfile.mkdtemp(prefix="datchat-bed-"))
        self._pids: set[int] = set()

    def __enter__(self) -> Self:
        try:
            self.prepare()
            self.cluster("up", str(self.nodes))
            self.started()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        left = self.down()
        if error is None:
            assert left == []

    def prepare(self) -> None:
        """What has to be there before it starts."""

    def started(self) -> None:
        """What is done once it runs."""

    def cluster(self, *words: str) -> str:
        """Run the test-bed's command."""
        return run([str(BEDS / self.bed / "cluster"), *words], TESTBED_HOME=str(self.home), limit_s=120)

    def command(self, act: str) -> str:
        """A command for a drill that does something to a host, whose name is ``node`` and a number."""
        return f"n={{host}}; TESTBED_HOME={self.home} {BEDS / self.bed / 'cluster'} {act} ${{n#node}}"

    def down(self) -> list[str]:
        """Take it down; what it left behind, in words."""
        self.cluster("down")
        left = [f"namespace {name}" for name in run(["ip", "netns"]).split() if name.startswith(self.namespaces)]
        left += [
            f"mount {line.split()[1]}" for line in Path("/proc/mounts").read_text().splitlines() if self._ours(line)
        ]
        left += [f"process {pid}" for pid in _processes() if self._ours(_command_line(pid))]
        left += [
            f"link {line}" for line in run(["ip", "-o", "link"]).splitlines() if f" {self.namespaces[:2]}h" in line
        ]
        shutil.rmtree(self.home, ignore_errors=True)
        return left

    def _ours(self, text: str) -> bool:
        return str(self.home) in text

    def drill(self, scenario: str, *words: str, **variables: str) -> dict[str, Any]:
        """Run a drill against it; its result."""
        result = self.home / f"{scenario}.json"
        crashes = ["--crash-command", self.command("kill-node"), "--restore-command", self.command("start-node")]
        said = subprocess.run(
            [DATCHAT, "drill", scenario, "--target", self.bed, *crashes, *words, "--json", result],
            env={**os.environ, **variables, "DATCHAT_CLIENTS": "6", "DATCHAT_RATE": "20"},
            capture_output=True,
            text=True,
            timeout=DRILL_S,
            check=False,
        )
        assert result.exists(), said.stdout + said.stderr
        found: dict[str, Any] = json.loads(result.read_text())
        assert found["verdict"] == "valid", said.stdout + said.stderr
        return found


def ready(url: str) -> bool:
    """Whether the load balancer there leads to a node that is ready."""
    try:
        return httpx.get(f"{url}/readyz", timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def wait_until_ready(urls: Sequence[str]) -> None:
    for url in urls:
        eventually_now(lambda url=url: ready(url), WHOLE_S)  # type: ignore[misc]


def run(words: Sequence[str], *, given: str | None = None, limit_s: float = 60, **variables: str) -> str:
    """Run a command to its end; what it said."""
    done = subprocess.run(
        words,
        env={**os.environ, **variables},
        input=given,
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )
    assert done.returncode == 0, f"{words}: {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit() and int(path.name) != os.getpid()]


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
