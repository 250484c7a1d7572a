"""A real server for a module of tests, people on it, and their sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from datchat.client import Api, SignIn
from support.people import fresh, person
from support.process import ServerProcess
from support.raw_socket import Opened, RawSocket


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server for the module, without limits on posts and commands."""
    with ServerProcess(
        "--data", tmp_path_factory.mktemp("socket"), DATCHAT_POST_RATE="0", DATCHAT_COMMAND_RATE="0"
    ) as server:
        yield server.url


@pytest.fixture
async def opened() -> AsyncIterator[Opened]:
    """Opens sockets, reads their hello, and drops them at the end."""
    async with AsyncExitStack() as stack:

        async def open_socket(url: str, token: str | None = None, **headers: str) -> RawSocket:
            socket = await stack.enter_async_context(await RawSocket.open(url, token, **headers))
            if socket.status == 101:
                await socket.until("hello")
            return socket

        yield open_socket


@pytest.fixture
async def alice(url: str) -> SignIn:
    return await person(url, fresh("alice"))


@pytest.fixture
async def bob(url: str) -> SignIn:
    return await person(url, fresh("bob"))


@pytest.fixture
async def den(url: str, alice: SignIn) -> str:
    """An empty room of alice's."""
    async with Api(url) as api:
        return (await api.create_room(alice.token, fresh("den"), "Den")).id


@pytest.fixture
async def here(url: str, opened: Opened, alice: SignIn, den: str) -> RawSocket:
    """Alice, joined to the den."""
    socket = await opened(url, alice.token)
    await socket.ask("join", room=den)
    return socket


@pytest.fixture
async def there(url: str, opened: Opened, bob: SignIn, den: str) -> RawSocket:
    """Bob, joined to the den."""
    socket = await opened(url, bob.token)
    await socket.ask("join", room=den)
    return socket
