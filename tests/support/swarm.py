"""Docker Swarm as the tests meet it: the one of the manager that DOCKER_HOST names, and the stack on it."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from support.deployments import CHEAP, ROOT, WHOLE_S, run, wait_until_ready
from support.eventually import eventually_now

STACK = "datchat"
SECRETS = ("datchat_redis_password", "datchat_secret")


def _manages() -> bool:
    if "DOCKER_HOST" not in os.environ or shutil.which("docker") is None:
        return False
    words = ["docker", "info", "--format", "{{.Swarm.ControlAvailable}}"]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip() == "true"


needs_swarm = pytest.mark.skipif(not _manages(), reason="DOCKER_HOST names no manager of a swarm")


def docker(*words: str, host: str | None = None, given: str | None = None, **variables: str) -> str:
    """What Docker says, asked on a manager, or through the engine of a host."""
    place = ["--host", engines()[host]] if host else []
    return run(["docker", *place, *words], given=given, limit_s=240, **variables)


def engines() -> Mapping[str, str]:
    """Where the engines of the hosts are, as DATCHAT_ENGINES says it."""
    return dict(pair.split("=", 1) for pair in os.environ.get("DATCHAT_ENGINES", "").split(",") if pair)


def hosts() -> list[str]:
    return sorted(docker("node", "ls", "--format", "{{.Hostname}}").split())


def urls() -> list[str]:
    """Where people come in: every host."""
    addresses = docker("node", "inspect", "--format", "{{.Status.Addr}}", *hosts()).split()
    return [f"http://{address}:8081" for address in addresses]


def services() -> list[str]:
    return docker("service", "ls", "--filter", f"label=com.docker.stack.namespace={STACK}", "-q").split()


def deploy() -> str:
    stack = str(ROOT / "deploy" / "swarm" / "stack.yaml")
    return docker("stack", "deploy", "--resolve-image", "never", "--compose-file", stack, STACK, **CHEAP)


def whole() -> bool:
    """Whether every service has as many tasks as it is meant to have."""
    counts = docker("service", "ls", "--format", "{{.Replicas}}").split()
    return bool(counts) and all(running == wanted for running, wanted in (count.split("/") for count in counts))


def wait_until_whole() -> None:
    wait_until_ready(urls())
    eventually_now(whole, WHOLE_S, describe=lambda: docker("service", "ls"))


@contextmanager
def labelled() -> Iterator[None]:
    """The hosts have the labels that say what goes where."""
    for number, host in enumerate(hosts(), 1):
        docker("node", "update", "--label-add", f"datchat={number}", host)
    yield
    for host in hosts():
        docker("node", "update", "--label-rm", "datchat", host)


@contextmanager
def deployed() -> Iterator[None]:
    """The stack with secrets of its own, gone afterwards with its volumes."""
    for name in SECRETS:
        docker("secret", "create", name, "-", given=secrets.token_hex(32))
    try:
        deploy()
        wait_until_whole()
        yield
    finally:
        remove()
        for name in SECRETS:
            docker("secret", "rm", name)


def remove() -> None:
    """The stack goes, and what it has stored where there is an engine to ask."""
    docker("stack", "rm", STACK)
    label = f"label=com.docker.stack.namespace={STACK}"

    def left() -> str:
        there = "".join(docker("ps", "-aq", "--filter", label, host=host) for host in engines())
        return there + docker("network", "ls", "-q", "--filter", label)

    eventually_now(lambda: not left(), 60, describe=left)
    for host in engines():
        for volume in docker("volume", "ls", "-q", "--filter", f"name={STACK}_", host=host).split():
            docker("volume", "rm", volume, host=host)
