"""
The distributed store: Redis, alone or behind Sentinel, shared by any number of nodes.

What is acknowledged is on every server that could be made master (``ack``, ``pipeline``); what is told is told after
that (``batch``), and heard on a connection of its own (``feed``). Who is master is found out by ``topology``.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial

from datchat.backends.feed import Feed
from datchat.backends.redis import ack, log
from datchat.backends.redis.accounts import RedisAccounts
from datchat.backends.redis.broker import RedisBroker, Tops
from datchat.backends.redis.feed import Subscription, Sweep
from datchat.backends.redis.inspection import inspect
from datchat.backends.redis.pipeline import Pipeline
from datchat.backends.redis.presence import RedisPresence
from datchat.backends.redis.rooms import RedisRooms
from datchat.backends.redis.sentinels import Sentinels
from datchat.backends.redis.state import StoreWatch
from datchat.backends.redis.store import Side, Store
from datchat.backends.redis.tasks import Tasks
from datchat.backends.redis.topology import Finder, Server, Topology
from datchat.backends.redis.url import Address, RedisUrl, parse
from datchat.backends.redis.witness import Witness
from datchat.chat.model import StoreState
from datchat.errors import BackendError

WEAKER_RULES = {"none": ack.NONE, "one": ack.ONE, "fenced": ack.FENCED}
"""Rules that break the promise, by their names in the settings."""
FIRST_S = 1.0
"""Seconds that opening waits for a store that is there to be ready."""


class RedisBackend:
    """Serves every port; opened by ``open_redis``."""

    def __init__(self, url: RedisUrl, *, nonce_window_s: float, wall: Callable[[], int], rule: ack.Rule | None) -> None:
        rng = random.Random()
        finder: Finder = Server(url.server, url.access) if url.server is not None else Sentinels(url, rng)
        if rule is not None:
            finder.rule = rule
        self._tasks = Tasks(rng)
        self._feed = Feed()
        self._watch = StoreWatch(self._tell, wall)
        self._topology = Topology(finder, self._tasks, rng)
        self._posts = Pipeline(self._topology, self._watch, rng, accept_degraded=url.accept_degraded)
        self._reads = Pipeline(self._topology, self._watch, rng, accept_degraded=url.accept_degraded)
        self._side = Side(self._topology)
        self._witness = Witness(time.monotonic)
        self._store = Store(self._posts, self._reads, self._side, self._witness, nonce_window_s)
        self._subscription = Subscription(self._topology, self._feed, rng)
        self._switched = asyncio.Event()
        self._master: Address | None = None
        self._opened = False
        self._switches = 0
        self.broker = RedisBroker(self._store, self._subscription, self._feed, self._watch)
        self.accounts = RedisAccounts(self._store)
        self.rooms = RedisRooms(self._store)
        self.presence = RedisPresence(self._side)

    async def open(self) -> None:
        """
        Begin. Servers that are away are waited for in the background; until they come every call is ``Unavailable``.

        Raises:
            ConfigurationError: The servers are not what the URL says, or hold something else.
        """
        self._topology.on_doubt = self._watch.struggling
        self._topology.on_found = self._found
        try:
            await self._topology.start()
        except BaseException:
            await self._stop()
            raise
        sweep = Sweep(Tops(self._store), self._subscription, self._feed)
        self._tasks.keep("posts", self._posts.run)
        self._tasks.keep("reads", self._reads.run)
        self._tasks.keep("feed", self._subscription.run)
        self._tasks.keep("sweep", sweep.run)
        self._tasks.keep("witness", self._look_back)
        if self._topology.settled:
            await asyncio.wait([self._subscription.ready], timeout=FIRST_S)
            with suppress(BackendError, TimeoutError):
                async with asyncio.timeout(FIRST_S):
                    await self._store.read([], lambda replies: None)
        self._opened = True

    def counts(self) -> Mapping[str, int]:
        """``acknowledged_missing_total``: acknowledged entries that a new master was found without. Has to stay 0."""
        return {"acknowledged_missing_total": self._witness.missing, "master_switches_total": self._switches}

    async def inspect(self) -> Sequence[str]:
        return await inspect(self._store, await self.rooms.all())

    async def close(self) -> None:
        await self._posts.close()
        await self._reads.close()
        await self._subscription.flush()
        await self._stop()

    async def _stop(self) -> None:
        await self._tasks.stop()
        self._side.close()
        self._topology.finder.close()
        self._watch.close()
        self._feed.close()
        # Connections that were cut are gone after a turn of the loop.
        await asyncio.sleep(0)

    def _tell(self, state: StoreState) -> None:
        # What the store is like at the start is asked for, not told.
        if self._opened:
            self._feed.tell(state)

    def _found(self, master: Address) -> None:
        self._subscription.switched(master)
        if self._master not in (None, master):
            self._switched.set()
            self._switches += 1
        self._master = master

    async def _look_back(self) -> None:
        while True:
            await self._switched.wait()
            self._switched.clear()
            try:
                await self._witness.check(partial(log.chains, self._store))
            except BackendError:
                self._switched.set()
                await asyncio.sleep(FIRST_S)


async def open_redis(
    url: str,
    *,
    nonce_window_s: float = 600.0,
    wall: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    rule: ack.Rule | None = None,
) -> RedisBackend:
    """
    Open the store at ``url`` (``url.py`` says what it may be).

    ``rule`` puts a weaker ack rule in place of the promise's: for drills. ``wall`` gives milliseconds since 1970.

    Raises:
        ConfigurationError: The URL is wrong, or the servers are not what it says.
    """
    backend = RedisBackend(parse(url), nonce_window_s=nonce_window_s, wall=wall, rule=rule)
    await backend.open()
    return backend


__all__ = ["WEAKER_RULES", "RedisBackend", "open_redis"]
