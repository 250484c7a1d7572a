"""
Readiness that means it: the store takes a write, and the node hears its own canary through the feed.

A node whose feed went deaf while its writes succeed looks healthy from everywhere else, and its clients see nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from datchat.chat.model import CONTROL, Canary
from datchat.errors import Unavailable
from datchat.ports import Broker

FRESH_S = 2.0
"""How long a proof counts: a balancer that asks each 0.7 s, or many of them, cost few writes."""


class Readiness:
    """
    Proves on demand that a node can serve. ``limit_s`` is for each of the two proofs.
    """

    def __init__(self, node: str, broker: Broker, clock: Callable[[], float], limit_s: float) -> None:
        self._node = node
        self._broker = broker
        self._clock = clock
        self._limit_s = limit_s
        self._number = 0
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._proof: asyncio.Task[None] | None = None
        self._proved_at: float | None = None

    async def prove(self) -> None:
        """
        Return when the node can serve. Proofs asked for at the same time, or shortly after one that held, are one.

        Raises:
            BackendError: It can't; the text is the reason.
        """
        if self._proved_at is not None and self._clock() - self._proved_at < FRESH_S:
            return
        if self._proof is None:
            self._proof = asyncio.get_running_loop().create_task(self._prove(), name="readiness")
            self._proof.add_done_callback(self._done)
        await asyncio.shield(self._proof)

    def hear(self, canary: Canary) -> None:
        """A canary has come through the feed."""
        heard = self._waiting.pop(canary.number, None) if canary.node == self._node else None
        if heard is not None and not heard.done():
            heard.set_result(None)

    async def stop(self) -> None:
        """Give up the proof under way."""
        if self._proof is not None:
            self._proof.cancel()
            await asyncio.wait([self._proof])

    def _done(self, proof: asyncio.Task[None]) -> None:
        self._proof = None
        if not proof.cancelled() and proof.exception() is None:
            self._proved_at = self._clock()

    async def _prove(self) -> None:
        try:
            async with asyncio.timeout(self._limit_s):
                await self._broker.check()
        except TimeoutError:
            raise Unavailable("the store takes no write") from None
        self._number += 1
        heard = self._waiting[self._number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._limit_s):
                await self._broker.signal(CONTROL, Canary(self._node, self._number))
                await heard
        except TimeoutError:
            raise Unavailable("the node does not hear its canary through the feed") from None
        finally:
            self._waiting.pop(self._number, None)
