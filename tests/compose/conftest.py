"""The chat as Docker Compose runs it, and people at real browsers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from support.compose import IMAGE, START_S, Project, docker
from support.visitor import chromium


@pytest.fixture(scope="session")
def image() -> str:
    """The image, built by Compose, as people do it."""
    Project().do("build", "web0", timeout_s=400)
    assert docker("images", "-q", IMAGE).strip()
    return IMAGE


@pytest.fixture(scope="session")
def running(image: str) -> Iterator[Project]:
    with Project() as project:
        yield project


@pytest.fixture
def project(running: Project) -> Project:
    """The whole project, whatever the test before has done to it. Who is master may be anybody."""
    running.do("up", "-d", timeout_s=START_S)
    running.wait_until_whole()
    running.wait_until_ready()
    return running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # While it is open its loop runs, and a test of another module can have none of its own.
    with chromium() as browser:
        yield browser
