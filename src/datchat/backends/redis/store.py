"""What the ports share: works for the two pipelines, and calls that need no proof."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, TypeVar

from datchat.backends.redis import scripts
from datchat.backends.redis.batch import Act, Append
from datchat.backends.redis.faults import ReplyFault, translate
from datchat.backends.redis.link import Command, Link, connect
from datchat.backends.redis.pipeline import Pipeline
from datchat.backends.redis.topology import Topology
from datchat.backends.redis.witness import Witness
from datchat.chat.model import Draft, Receipt
from datchat.errors import BackendError, ConfigurationError, Unavailable

POST_S = 10.0
"""Seconds until what writes is given up."""
READ_S = 5.0
"""Seconds until a reading is given up: longer than a failover, and shorter than people's patience with a page."""
SIDE_S = 1.0
"""Seconds for a call that needs no proof."""

T = TypeVar("T")


class Store:
    """
    The way of every port to the servers.

    Posts and acts that write share one pipeline; reading has another, so that a page of history does not hold up posts.
    """

    def __init__(self, posts: Pipeline, reads: Pipeline, side: Side, witness: Witness, nonce_window_s: float) -> None:
        self._posts = posts
        self._witness = witness
        self._reads = reads
        self.side = side
        # A retry may be one window old and wait in queues; servers' clocks may differ.
        self._nonce_ms = int(2 * nonce_window_s * 1000) + 60_000
        self._loop = asyncio.get_running_loop()
        self._process = secrets.token_hex(4)
        self._numbers = count()

    async def append(self, draft: Draft) -> Receipt:
        """Append a draft. Queued before the first wait, so that calls keep their order."""
        work = Append(self._loop.time() + POST_S, draft, self.attempt(), self._nonce_ms)
        self._posts.submit(work)
        receipt: Receipt = await work.waiter
        self._witness.note(draft.room, receipt.cursor)
        return receipt

    async def act(self, commands: Sequence[Command], read: Callable[[list[Any]], T]) -> T:
        """Do what writes, and give what ``read`` makes of the answers once it is safe. Doing it twice does no harm."""
        work = Act(self._loop.time() + POST_S, commands, read, writes=True)
        self._posts.submit(work)
        answer: T = await work.waiter
        return answer

    async def read(self, commands: Sequence[Command], read: Callable[[list[Any]], T]) -> T:
        """Read, and give what ``read`` makes of it once all that was read is safe."""
        work = Act(self._loop.time() + READ_S, commands, read, writes=False)
        self._reads.submit(work)
        answer: T = await work.waiter
        return answer

    def attempt(self) -> str:
        """A name for one call, like no other."""
        return f"{self._process}{next(self._numbers):x}"


class Side:
    """A connection to the master for what may be lost: signals and presence."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._link: Link | None = None
        self._opening = asyncio.Lock()
        self._closed = False

    async def call(self, command: Command) -> Any:
        """
        Do one command, once.

        Raises:
            Unavailable: It was not done.
            Indeterminate: It may have been done.
        """
        if self._closed:
            raise Unavailable("the store is closed")
        self._topology.check_hope()
        link: Link | None = None
        try:
            async with asyncio.timeout(SIDE_S):
                link = await self._ready()
            (reply,) = await link.pipeline([command], SIDE_S)
            if scripts.missing(reply):
                await scripts.load(link)
                (reply,) = await link.pipeline([command], SIDE_S)
            if isinstance(reply, ReplyFault):
                raise reply
        except (BackendError, ConfigurationError, TimeoutError, ConnectionError, ReplyFault) as error:
            raise self._failure(error, link) from error
        return reply

    def close(self) -> None:
        self._closed = True
        if self._link is not None:
            self._link.abort()

    def _failure(self, error: Exception, link: Link | None) -> BackendError:
        if link is None:
            return Unavailable(self._topology.reason if isinstance(error, TimeoutError) else str(error))
        failure = translate(error, link.address, sent=True)
        self._topology.doubt(str(failure), link.address)
        return failure if isinstance(failure, BackendError) else Unavailable(str(failure))

    async def _ready(self) -> Link:
        master = await self._topology.master()
        async with self._opening:
            link = self._link
            if link is None or not link.alive or link.address != master:
                if link is not None:
                    link.abort()
                self._link = link = await connect(master, self._topology.finder.access)
                await scripts.load(link)
        return link
