"""
The backends that the contract is held against.

A further backend is one more function here and one more row in ``STORES`` (or in ``SERVED``, when it needs servers that
are begun once for all tests): the function opens an empty store and yields a ``Store``. Nothing in the tests knows
which backend it has; what differs between them (how time is let pass, how much the feed holds back) stands in the
``Store``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from datchat.backends import feed
from datchat.backends.memory import MemoryBackend
from datchat.backends.redis import open_redis
from datchat.backends.sqlite import open_sqlite
from datchat.chat.model import Room, RoomId
from datchat.ports import Accounts, Backend, Broker, Presence, Rooms
from support import redis_servers
from support.clock import Clock
from support.redis_servers import RedisCluster, RedisServer, redis_cluster, redis_server


@dataclass
class Store:
    """A backend under test, and what a test may do to it."""

    backend: Backend
    pass_time: Callable[[float], Awaitable[None]]
    """Let so many seconds pass for leases and nonces."""
    nonce_window_s: float
    forgets_after_s: float
    """After this long, and an append on either side of it, a nonce is surely forgotten."""
    holds_back: int
    """Events that the feed keeps for a consumer that does not come."""


@asynccontextmanager
async def memory(folder: Path) -> AsyncIterator[Store]:
    clock = Clock()
    backend = MemoryBackend(nonce_window_s=60, clock=clock)
    yield Store(backend, clock.advance, nonce_window_s=60, forgets_after_s=61, holds_back=feed.CAPACITY)
    await backend.close()


@asynccontextmanager
async def sqlite(folder: Path) -> AsyncIterator[Store]:
    clock = Clock()
    backend = await open_sqlite(folder / "chat.db", nonce_window_s=60, clock=clock)
    yield Store(backend, clock.advance, nonce_window_s=60, forgets_after_s=121, holds_back=feed.CAPACITY)
    await backend.close()


@asynccontextmanager
async def redis(server: RedisServer, url: str) -> AsyncIterator[Store]:
    server.ask("FLUSHALL")
    backend = await open_redis(url, nonce_window_s=60)

    async def pass_time(seconds: float) -> None:
        redis_servers.pass_time(server.port, seconds)

    yield Store(backend, pass_time, nonce_window_s=60, forgets_after_s=181, holds_back=feed.CAPACITY)
    await backend.close()


STORES: dict[str, Callable[[Path], AbstractAsyncContextManager[Store]]] = {"memory": memory, "sqlite": sqlite}
SERVED = ("redis", "sentinel")


@pytest.fixture(scope="session")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis server of its own."""
    with redis_server(tmp_path_factory.mktemp("redis") / "server") as server:
        yield server


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    """A master, two replicas and three sentinels."""
    with redis_cluster(tmp_path_factory.mktemp("sentinel") / "cluster") as cluster:
        yield cluster


@pytest.fixture(params=[*STORES, *SERVED])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    if request.param == "redis":
        server = request.getfixturevalue("one_server")
        opening = redis(server, server.url)
    elif request.param == "sentinel":
        servers = request.getfixturevalue("cluster")
        opening = redis(servers.servers[0], servers.url)
    else:
        opening = STORES[request.param](tmp_path)
    async with opening as opened:
        yield opened


@pytest.fixture
def backend(store: Store) -> Backend:
    return store.backend


@pytest.fixture
def broker(backend: Backend) -> Broker:
    return backend.broker


@pytest.fixture
def accounts(backend: Backend) -> Accounts:
    return backend.accounts


@pytest.fixture
def rooms(backend: Backend) -> Rooms:
    return backend.rooms


@pytest.fixture
def presence(backend: Backend) -> Presence:
    return backend.presence


_numbers = count(1)


@pytest.fixture
def new_room(rooms: Rooms) -> Callable[[], Awaitable[RoomId]]:
    """Make an empty room; returns its id."""

    async def make() -> RoomId:
        room = Room(id=RoomId(f"room-{next(_numbers)}"), title="A room")
        await rooms.create(room)
        return room.id

    return make
