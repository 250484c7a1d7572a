"""The job on the cluster that NOMAD_ADDR names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support import nomad
from support.eventually import eventually_now


@pytest.fixture(scope="session")
def there() -> bool:
    """Whether the chat runs there already: then it is left as it is."""
    return nomad.runs()


@pytest.fixture(scope="session")
def bare(there: bool) -> Iterator[None]:
    """The clients with volumes, and without secrets."""
    if there:
        yield
        return
    with nomad.prepared():
        yield


@pytest.fixture(scope="session")
def missing(bare: None, there: bool) -> str:
    """What Nomad says of a task that waits for its secrets."""
    if there:
        pytest.skip("the job runs already, with its secrets")
    nomad.deploy()
    return eventually_now(lambda: nomad.missing("redismaster"), 60)


@pytest.fixture(scope="session")
def deployed(there: bool, request: pytest.FixtureRequest) -> None:
    """The whole chat: the one that runs there already, or one of the tests' own, gone afterwards."""
    if not there:
        # Told to a job that waits for them.
        request.getfixturevalue("missing")
        nomad.tell_secrets()


@pytest.fixture
def running(deployed: None) -> str:
    """The whole chat, whatever the test before has done to it; returns its URL."""
    nomad.wait_until_whole()
    return nomad.urls()[0]
