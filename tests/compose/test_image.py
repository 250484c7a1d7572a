"""The image: small, nobody's root, content with a root file system that can't be written and without any capability."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.compose import PASSWORD, ROOT, SECRET, docker, needs_engine
from support.eventually import eventually_now

pytestmark = [needs_engine, pytest.mark.timeout(600)]

MOST_MB = 80
"""What the image may hold beyond the interpreter's: the program and its dependencies, compiled."""
UID = "10001"
LOCKED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
LOOK = """
import os, pathlib
status = dict(line.split(":", 1) for line in pathlib.Path("/proc/self/status").read_text().splitlines())
print(os.getuid(), os.getgid(), *(int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")))
"""
FIND = """
import os
kinds = {"gcc", "cc", "make", "uv", "curl"}
found = [name for folder in os.environ["PATH"].split(":") if os.path.isdir(folder) for name in os.listdir(folder)]
print(*(kinds & set(found)), *(path for path in ("/source", "/opt/uv", "/root/.cache") if os.path.exists(path)))
"""


@pytest.fixture(scope="module")
def facts(image: str) -> Any:
    return json.loads(docker("image", "inspect", image))[0]


@pytest.fixture
def node(image: str) -> Iterator[str]:
    """A node of its own on an embedded store, on a volume; its root file system is read-only."""
    soon = ("--health-interval", "1s")
    started = docker("run", "-d", *LOCKED, *soon, "-v", "/data", "-e", "DATCHAT_PASSWORD_HASH=cheap", image).strip()
    yield started
    docker("rm", "-fv", started)


def test_what_it_says_of_itself(facts: Any) -> None:
    """It runs as a number, so that whoever forbids root sees it, is stopped by SIGTERM, and says what it is."""
    config = facts["Config"]

    assert config["User"] == f"{UID}:{UID}"
    assert config["StopSignal"] == "SIGTERM"
    assert config["Entrypoint"] == ["datchat"]
    assert config["Cmd"] == ["serve"]
    assert config["Labels"]["org.opencontainers.image.title"] == "Dat Chat"
    assert config["Labels"]["org.opencontainers.image.licenses"] == "MIT"


def test_it_is_small(facts: Any, image: str) -> None:
    """It holds the interpreter, the program and what the program needs: no tool that built it, no cache, no source."""
    base = json.loads(docker("image", "inspect", "python:3.13-slim"))[0]["Size"]

    assert (facts["Size"] - base) / 1e6 < MOST_MB
    assert docker("run", "--rm", "--entrypoint", "python3", image, "-c", FIND).strip() == ""


def test_it_holds_no_secret(image: str) -> None:
    """Neither its history nor its environment knows what a project is told."""
    said = docker("history", "--no-trunc", image) + docker("image", "inspect", image)

    assert PASSWORD not in said
    assert SECRET not in said


def test_it_runs_without_rights(image: str) -> None:
    """As a user that is not 0, without capabilities, on a root file system that can't be written."""
    said = docker("run", "--rm", *LOCKED, "--entrypoint", "python3", image, "-c", LOOK)

    assert said.split() == [UID, UID, "0", "0", "0"]


def test_a_node_of_its_own(node: str) -> None:
    """It serves on an embedded store, is found healthy, can be checked beside it, and ends by SIGTERM as it should."""
    eventually_now(lambda: docker("inspect", "-f", "{{.State.Health.Status}}", node).strip() == "healthy", 60)
    address = docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", node).strip()
    assert httpx.get(f"http://{address}:8080/readyz", timeout=10).status_code == 200
    docker("exec", node, "datchat", "verify")
    docker("exec", node, "python3", "-IS", "/opt/alive.py", "/readyz")
    assert "no 200" in docker("exec", node, "python3", "-IS", "/opt/alive.py", "/no-such-page", code=1)

    docker("stop", node)

    assert docker("inspect", "-f", "{{.State.ExitCode}}", node).strip() == "0"


def test_the_health_check_tells_a_node_that_does_not_serve(image: str) -> None:
    """It fails where nothing answers, with a sentence."""
    words = ("run", "--rm", "--entrypoint", "python3", image, "-IS", "/opt/alive.py")

    assert "no answer" in docker(*words, code=1)


def test_it_serves_drills(image: str) -> None:
    """The same image runs the other commands."""
    assert "redis-kill" in docker("run", "--rm", image, "drill", "list")


def test_nothing_else_goes_to_the_engine() -> None:
    """What is sent to the engine to build from is named one by one: no history, no secret, no data."""
    lines = [line for line in Path(ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]

    assert lines[0] == "*"
    assert not [line for line in lines if line.startswith("!") and not (ROOT / line[1:]).exists()]
