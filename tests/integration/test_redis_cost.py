"""What a view and a user's rooms cost the server: what is shown counts, not what there is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from datchat.backends.redis import RedisBackend, open_redis
from datchat.chat.model import Room, RoomId
from support.drafts import ALICE, BOB, message, reaction
from support.redis_servers import RedisServer, redis_server

pytestmark = [pytest.mark.timeout(60), pytest.mark.measures]

SMALL, LARGE = RoomId("small"), RoomId("large")
MESSAGES = 20_000
ROUNDS = 400


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path / "server", "appendfsync no\n") as server:
        yield server


@pytest.fixture
async def store(server: RedisServer) -> AsyncIterator[RedisBackend]:
    """A small room, and a large one whose messages have thousands of reactions between them."""
    backend = await open_redis(server.url)
    for room, count in ((SMALL, 60), (LARGE, MESSAGES)):
        await backend.rooms.create(Room(id=room, title=room))
        for first in range(0, count, 1000):
            authors = (ALICE, BOB)
            drafts = [
                message("hello", room=room, author=authors[n % 2]) for n in range(first, min(count, first + 1000))
            ]
            await asyncio.gather(*(backend.broker.append(draft) for draft in drafts))
    toggles = [reaction(1, on=n % 2 == 0, room=LARGE) for n in range(5000)]
    for first in range(0, len(toggles), 1000):
        await asyncio.gather(*(backend.broker.append(draft) for draft in toggles[first : first + 1000]))
    yield backend
    await backend.close()


async def cpu_of(server: RedisServer, act: Callable[[], Awaitable[object]]) -> float:
    """The processor time that the server takes for some rounds of an act."""
    await act()
    before = server.cpu_s()
    for _ in range(ROUNDS):
        await act()
    return server.cpu_s() - before


async def test_a_view_costs_its_page(server: RedisServer, store: RedisBackend) -> None:
    """The newest fifty messages, and older ones, of a room with 25,000 entries cost what they cost in one of 60."""
    small = await cpu_of(server, lambda: store.broker.view(SMALL, None, 50))
    newest = await cpu_of(server, lambda: store.broker.view(LARGE, None, 50))
    older = await cpu_of(server, lambda: store.broker.view(LARGE, MESSAGES // 2, 50))
    assert newest < 2 * small
    assert older < 2 * small


async def test_standings_cost_their_rooms(server: RedisServer, store: RedisBackend) -> None:
    """How many messages are unread is counted without a walk through them."""
    before = await cpu_of(server, lambda: store.rooms.standings("u_nobody"))
    await store.rooms.mark_read("u_alice", LARGE, MESSAGES // 2)
    standings = {standing.room.id: standing for standing in await store.rooms.standings("u_alice")}
    assert standings[LARGE].read == MESSAGES // 2
    assert standings[LARGE].unread == 100
    marked = await cpu_of(server, lambda: store.rooms.standings("u_alice"))
    assert marked < 3 * before
    assert before / ROUNDS < 0.001
