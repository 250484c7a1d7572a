"""What holds for every test."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from support import speakers


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure what the parts of the clusters said: their directories are gone afterwards."""
    report = yield
    if report.failed:
        report.sections.extend((f"Log of {name}", said()) for name, said in speakers.alive.items())
    return report
