"""A real server and a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page

from support.process import ServerProcess
from support.visitor import Invite, Visitor, chromium


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess("--data", tmp_path_factory.mktemp("data"), DATCHAT_POST_RATE="0") as server:
        yield server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A server of the test's own, to be killed."""
    with ServerProcess("--data", tmp_path / "data", DATCHAT_POST_RATE="0") as server:
        yield server


@pytest.fixture
def invite(browser: Browser, shared_server: ServerProcess) -> Iterator[Invite]:
    """
    ``invite(name)`` is a new person in a browser of their own, ``invite(name, server)`` at another server.

    No test may leave a complaint of a browser behind: errors, warnings, violations of the content security policy.
    """
    visitors: list[Visitor] = []

    def come(name: str, server: ServerProcess = shared_server, **context: Any) -> Visitor:
        visitors.append(Visitor(browser, server.url, name, **context))
        return visitors[-1]

    yield come
    complaints = {visitor.name: visitor.complaints for visitor in visitors if visitor.complaints}
    for visitor in visitors:
        visitor.context.close()
    assert complaints == {}


@pytest.fixture
def room() -> str:
    """The id of a room that nobody has made yet."""
    return f"room-{uuid4().hex[:10]}"


@pytest.fixture
def site(shared_server: ServerProcess) -> str:
    """Where the chat is served."""
    return shared_server.url


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A browser that nobody has signed in with."""
    context = browser.new_context()
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()
