"""The chat on the Kubernetes cluster that kubectl is set to."""

from __future__ import annotations

import secrets
from collections.abc import Generator, Iterator

import pytest

from support import kubernetes


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure what the pods said: they are gone afterwards."""
    report = yield
    if report.failed and "deployed" in getattr(item, "fixturenames", ()):
        report.sections.append(("Pods", kubernetes.said()))
    return report


@pytest.fixture(scope="session")
def deployed() -> Iterator[None]:
    """The demo overlay: the one that runs there already, or one of the tests' own, gone afterwards."""
    if kubernetes.runs():
        yield
        return
    with kubernetes.Deployed([f"redis-password={secrets.token_hex(16)}", f"secret={secrets.token_hex(32)}"]):
        yield


@pytest.fixture
def running(deployed: None) -> str:
    """The whole chat, whatever the test before has done to it; returns its URL."""
    kubernetes.wait_until_whole()
    return kubernetes.address()
