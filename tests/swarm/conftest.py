"""A swarm of three hosts on which the stack runs."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.eventually import eventually_now
from support.images import archive
from support.testbeds import CHEAP, ROOT, WHOLE_S, TestBed, run, wait_until_ready

NODES = (1, 2, 3)


class Swarm(TestBed):
    """The hosts are called node1 to node3, all of them managers."""

    bed = "swarm"
    namespaces = "sw-"

    def prepare(self) -> None:
        self.images = archive()

    def started(self) -> None:
        for node in NODES:
            self.docker("load", "--quiet", "--input", str(self.images), node=node)
            self.docker("node", "update", "--label-add", f"datchat={node}", f"node{node}")

    def docker(self, *words: str, node: int = 1, given: str | None = None, **variables: str) -> str:
        return run(["docker", "--host", self.place(node), *words], given=given, limit_s=240, **variables)

    def place(self, node: int) -> str:
        return f"unix://{self.home}/swarm/node{node}/docker.sock"

    @property
    def engines(self) -> str:
        return ",".join(f"node{node}={self.place(node)}" for node in NODES)

    def deploy(self, **variables: str) -> str:
        stack = str(ROOT / "deploy" / "swarm" / "stack.yaml")
        words = ["stack", "deploy", "--resolve-image", "never", "--compose-file", stack, "datchat"]
        return self.docker(*words, **CHEAP, **variables)

    def whole(self) -> bool:
        """Whether every service has as many tasks as it is meant to have."""
        counts = self.docker("service", "ls", "--format", "{{.Replicas}}").split()
        return all(running == wanted for running, wanted in (count.split("/") for count in counts))

    def told(self) -> None:
        """Give it its secrets."""
        for name in ("datchat_redis_password", "datchat_secret"):
            self.docker("secret", "create", name, "-", given=secrets.token_hex(32))


@pytest.fixture(scope="session")
def bare() -> Iterator[Swarm]:
    """The hosts, with images and without secrets."""
    with Swarm(len(NODES)) as swarm:
        yield swarm


@pytest.fixture(scope="session")
def refusal(bare: Swarm) -> str:
    """What is said to whoever deploys the stack without its secrets."""
    with pytest.raises(AssertionError) as refused:
        bare.deploy()
    return str(refused.value)


@pytest.fixture(scope="session")
def swarm(bare: Swarm, refusal: str) -> Swarm:
    """The whole chat."""
    bare.told()
    bare.deploy()
    wait_until_ready([f"http://10.91.0.1{node}:8081" for node in NODES])
    eventually_now(bare.whole, WHOLE_S, describe=lambda: bare.docker("service", "ls"))
    return bare


def stack_files() -> list[Path]:
    return sorted((ROOT / "deploy" / "swarm").glob("*.yaml"))
