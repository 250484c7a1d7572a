"""Projects of Docker Compose: the chat's compose.yaml, started, looked at and broken as people do it."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import hiredis
import httpx
import pytest

from support import speakers
from support.eventually import eventually_now
from support.redis_servers import ask, free_port

ROOT = Path(__file__).parents[2]
REDIS = ("redismaster", "redisslave", "redisslave2")
SENTINELS = ("redissentinel", "redissentinel2", "redissentinel3")
WEB = ("web0", "web1", "web2")
PARTS = (*REDIS, *SENTINELS, *WEB, "haproxy")
COMPOSE = ("docker-compose",)
IMAGE = "datchat-tests"
PASSWORD = 'p@ss"w\\ord%1'
"""One that has to be quoted in a URL, and in Redis' configuration."""
SECRET = "a secret of the tests, long enough to be one"
START_S = 120.0


def _answers() -> bool:
    if shutil.which("docker") is None or shutil.which(COMPOSE[0]) is None:
        return False
    return subprocess.run(["docker", "version"], capture_output=True, check=False, timeout=60).returncode == 0


needs_engine = pytest.mark.skipif(
    not os.environ.get("CI") and not _answers(),
    reason="no Docker engine answers: script/engine sh -c 'script/images && .venv/bin/pytest tests/compose'",
)
needs_own_engine = pytest.mark.skipif(
    not os.environ.get("CI") and "ENGINE_DIR" not in os.environ, reason="an engine of its own is needed: script/engine"
)


def docker(*arguments: str, code: int | None = 0, timeout_s: float = 120) -> str:
    """What a command of Docker's says on standard output; on both, when it may fail."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=timeout_s, check=False)
    assert code is None or done.returncode == code, f"docker {arguments}: {done.returncode}: {done.stderr}"
    return done.stdout if code == 0 else done.stdout + done.stderr


class Project:
    """A project, as a context manager that leaves nothing behind. ``files`` are those that people would name by -f."""

    def __init__(self, *files: str, compose: Sequence[str] = COMPOSE, **variables: str) -> None:
        self.name = f"datchat{uuid4().hex[:8]}"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.words = [*compose, "-p", self.name, *(word for file in files for word in ("-f", file))]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DATCHAT_", "COMPOSE_"))}
        self.environment = {
            **kept,
            "REDIS_PASSWORD": PASSWORD,
            "DATCHAT_SECRET": SECRET,
            "DATCHAT_IMAGE": IMAGE,
            "DATCHAT_PORT": f"127.0.0.1:{self.port}",
            "DATCHAT_PASSWORD_HASH": "cheap",
            "DATCHAT_POST_RATE": "0",
            # Docker looks for the first time when this is over, and `up` waits for it.
            "HEALTH_INTERVAL": "4s",
            **variables,
        }

    def over(self, *files: str, **variables: str) -> Project:
        """The same project with further files; ``up`` without them undoes what they did."""
        other = Project("compose.yaml", *files, **variables)
        other.words[other.words.index(other.name)] = self.name
        other.environment["DATCHAT_PORT"] = self.environment["DATCHAT_PORT"]
        other.name, other.port, other.url = self.name, self.port, self.url
        return other

    def __enter__(self) -> Self:
        speakers.alive[self.name] = self.said
        self.do("up", "-d", timeout_s=START_S)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        del speakers.alive[self.name]
        self.do("down", "-v", "-t", "1", timeout_s=START_S)

    def do(self, *arguments: str, code: int = 0, timeout_s: float = 60.0) -> str:
        """Run a command of Compose to its end; returns what it said, on standard error when it is to fail."""
        done = self._run([*self.words, *arguments], ROOT, code, timeout_s)
        return done.stderr if code else done.stdout

    def shell(self, line: str, folder: Path, code: int = 0) -> str:
        """Run a command line from the docs for this project, with its files in a folder; returns all that it said."""
        assert line.startswith(f"{COMPOSE[0]} ")
        words = f"{COMPOSE[0]} --project-directory {ROOT} -f {ROOT}/compose.yaml -p {self.name}"
        done = self._run(["sh", "-c", words + line.removeprefix(COMPOSE[0])], folder, code, START_S)
        return done.stdout + done.stderr

    def _run(self, words: list[str], folder: Path, code: int, timeout_s: float) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            words, cwd=folder, env=self.environment, capture_output=True, text=True, timeout=timeout_s, check=False
        )
        assert done.returncode == code, f"{words}: {done.returncode}: {done.stdout}{done.stderr}"
        return done

    def logs(self, *services: str) -> str:
        return self.do("logs", "--no-color", *services)

    # What is where

    def containers(self) -> dict[str, dict[str, Any]]:
        """What the engine knows of every container, by the name of its service; several have their number behind."""
        numbers = docker("ps", "-aq", "--filter", f"label=com.docker.compose.project={self.name}").split()
        found: dict[str, dict[str, Any]] = {}
        for container in json.loads(docker("inspect", *numbers)) if numbers else []:
            labels = container["Config"]["Labels"]
            service, number = labels["com.docker.compose.service"], labels["com.docker.compose.container-number"]
            found[service if number == "1" else f"{service}_{number}"] = container
        return found

    def states(self) -> dict[str, str]:
        return {name: container["State"]["Status"] for name, container in self.containers().items()}

    def addresses(self) -> dict[str, str]:
        """Where the parts that run are."""
        return {
            name: network["IPAddress"]
            for name, container in self.containers().items()
            for network in container["NetworkSettings"]["Networks"].values()
            if network["IPAddress"]
        }

    def container(self, name: str) -> str:
        """The number of a part's container."""
        return str(self.containers()[name]["Id"])

    def roles(self) -> dict[str, str | None]:
        """What each Redis server says of itself; None for one that does not answer."""
        addresses = self.addresses()
        return {name: _role(addresses[name]) if name in addresses else None for name in REDIS}

    def master(self) -> str:
        """The one server that is master; empty while there is none, or more than one."""
        masters = [name for name, role in self.roles().items() if role == "master"]
        return masters[0] if len(masters) == 1 else ""

    def led_to(self) -> set[str]:
        """The addresses of the nodes that HAProxy leads people to."""
        said = httpx.get(f"{self.url}/haproxy?stats;csv", timeout=10).text
        rows = [row for row in csv.DictReader(io.StringIO(said.removeprefix("# "))) if row["pxname"] == "web"]
        return {row["addr"] for row in rows if row["svname"] != "BACKEND" and row["status"].startswith("UP")}

    def copies(self) -> int:
        """How many servers the master has replicas on, with itself; 0 while there is no master."""
        master = self.master()
        role = ask(6379, "ROLE", password=PASSWORD, host=self.addresses()[master]) if master else None
        return 1 + len(role[2]) if isinstance(role, list) else 0

    def whole(self) -> bool:
        """Whether everything runs, with one master that all replicas follow."""
        return set(self.states().values()) == {"running"} and self.copies() == len(REDIS)

    def ready(self, url: str = "", **options: Any) -> bool:
        """Whether people get to a node: the engine calls the balancer running before it listens."""
        try:
            return httpx.get(f"{url or self.url}/readyz", timeout=10, **options).is_success
        except httpx.TransportError:
            return False

    def wait_until_whole(self) -> None:
        eventually_now(self.whole, START_S, describe=lambda: (self.states(), self.roles()))

    def wait_until_ready(self) -> None:
        eventually_now(self.ready, START_S, describe=self.states)

    def said(self, lines: int = 40) -> str:
        """The last lines of every part, for whoever looks for the reason of a failure."""
        return self.do("logs", "--no-color", "--tail", str(lines))


def _role(host: str) -> str | None:
    try:
        answer = ask(6379, "ROLE", password=PASSWORD, host=host, timeout_s=1.0)
    except OSError:
        return None
    return None if isinstance(answer, hiredis.ReplyError) else str(answer[0])
