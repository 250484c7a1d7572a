"""A Nomad with two clients on which the job runs."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.eventually import eventually_now
from support.images import archive
from support.testbeds import BEDS, CHEAP, ROOT, WHOLE_S, TestBed, run, wait_until_ready

NODES = (1, 2)
ADDRESS = "http://10.92.0.1:4646"
JOB = ROOT / "deploy" / "nomad" / "datchat.nomad.hcl"
BUILT = Path(os.environ.get("TESTBED_HOME", "/var/tmp/testbed")) / "nomad" / "bin" / "nomad"
"""Where the test-bed's build puts the program, once a machine."""
BUILD_S = 900


class Nomad(TestBed):
    """The clients are called node1 and node2; each has a Docker engine of its own."""

    bed = "nomad"
    namespaces = "nm-"

    def prepare(self) -> None:
        self.images = archive()
        run([str(BEDS / "nomad" / "build")], limit_s=BUILD_S)
        programs = self.home / "nomad" / "bin"
        programs.mkdir(parents=True)
        (programs / "nomad.real").symlink_to(BUILT)
        shutil.copy(ROOT / "tests" / "nomad" / "nomad-with-docker", programs / "nomad")
        self.path = f"{programs}:{os.environ['PATH']}"

    def started(self) -> None:
        for node in NODES:
            self.inside(node, "docker", "load", "--quiet", "--input", str(self.images))
            self.inside(node, "docker", "tag", "datchat:latest", "datchat:0.1.0")

    def inside(self, node: int, *words: str) -> str:
        """Run a command on a host."""
        first = (self.home / "nomad" / "run" / f"node{node}" / "init.pid").read_text().strip()
        return run(["nsenter", "--target", first, "--mount", "--net", *words], limit_s=240)

    def nomad(self, *words: str) -> str:
        return run(["nomad", *words], limit_s=120, **self.environment)

    @property
    def environment(self) -> dict[str, str]:
        return {"NOMAD_ADDR": ADDRESS, "NOMAD_CLI_SHOW_HINTS": "0", "PATH": self.path}

    def deployed(self) -> bool:
        """Whether the last deployment has come to its good end."""
        (last, *_) = json.loads(self.nomad("job", "deployments", "-json", "datchat"))
        return bool(last["Status"] == "successful")

    def said_of(self, group: str) -> str:
        """What happened to the tasks of a group of which something is missing."""
        found = json.loads(self.nomad("job", "allocs", "-json", "datchat"))
        events = [
            event["DisplayMessage"]
            for allocation in found
            if allocation["TaskGroup"] == group
            for state in (allocation["TaskStates"] or {}).values()
            for event in state["Events"]
        ]
        return "\n".join(event for event in events if event.startswith("Missing"))

    def deploy(self, *words: str) -> None:
        told = ", ".join(f'{name} = "{value}"' for name, value in CHEAP.items())
        self.nomad("job", "run", "-detach", "-var", f"root={ROOT}", "-var", f"environment={{{told}}}", *words, str(JOB))


@pytest.fixture(scope="session")
def bare() -> Iterator[Nomad]:
    """The clients, with images and volumes, and without secrets."""
    with Nomad(len(NODES)) as nomad:
        subprocess.run(
            [ROOT / "deploy" / "nomad" / "volumes"],
            env={**os.environ, **nomad.environment},
            check=True,
            capture_output=True,
            timeout=240,
        )
        yield nomad


@pytest.fixture(scope="session")
def missing(bare: Nomad) -> str:
    """What Nomad says of a task that waits for its secrets."""
    bare.deploy()
    return eventually_now(lambda: bare.said_of("redismaster"), 60)


@pytest.fixture(scope="session")
def nomad(bare: Nomad, missing: str) -> Nomad:
    """The whole chat."""
    words = [f"redis_password={secrets.token_hex(32)}", f"secret={secrets.token_hex(32)}"]
    bare.nomad("var", "put", "nomad/jobs/datchat", *words)
    wait_until_ready([f"http://10.92.0.1{node}:8081" for node in NODES])
    eventually_now(bare.deployed, WHOLE_S, describe=lambda: bare.nomad("job", "status", "datchat"))
    return bare
