"""The stack on the swarm that DOCKER_HOST names a manager of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support import swarm


@pytest.fixture(scope="session")
def there() -> bool:
    """Whether the chat runs there already: then it is left as it is."""
    return bool(swarm.services())


@pytest.fixture(scope="session")
def bare(there: bool) -> Iterator[None]:
    """The hosts, with labels and without secrets."""
    if there:
        yield
        return
    with swarm.labelled():
        yield


@pytest.fixture(scope="session")
def refusal(bare: None, there: bool) -> str:
    """What is said to whoever deploys the stack without its secrets."""
    if there:
        pytest.skip("the stack runs already, with its secrets")
    with pytest.raises(AssertionError) as refused:
        swarm.deploy()
    return str(refused.value)


@pytest.fixture(scope="session")
def deployed(there: bool, request: pytest.FixtureRequest) -> Iterator[None]:
    """The whole chat: the one that runs there already, or one of the tests' own, gone afterwards."""
    if there:
        yield
        return
    # What is said without secrets can be seen only before.
    request.getfixturevalue("refusal")
    with swarm.deployed():
        yield


@pytest.fixture
def running(deployed: None) -> str:
    """The whole chat, whatever the test before has done to it; returns its URL."""
    swarm.wait_until_whole()
    return swarm.urls()[0]
