"""One pair of load balancers before one cluster, for all tests here; each leaves it whole."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from support.balancers import Pair, pair

PING_S = 2
"""Who only listens learns by its own ping that its balancer is gone."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def balancers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    settings = {"DATCHAT_PASSWORD_HASH": "cheap", "DATCHAT_POST_RATE": "0", "DATCHAT_PING_S": str(PING_S)}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        async with pair(tmp_path_factory.mktemp("balancers") / "c") as made:
            yield made
