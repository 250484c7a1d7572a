"""What every post goes through, on the socket or over HTTP: its age, the account's rate, the room, the deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from datchat.chat.model import Draft, Kind, Receipt, RoomId, User
from datchat.chat.ratelimit import TokenBucket
from datchat.errors import Indeterminate, RateLimited, StaleNonce
from datchat.node.directory import Directory
from datchat.node.limits import Limits
from datchat.node.metrics import NodeMetrics
from datchat.ports import Broker


class Posting:
    """Appends on people's behalf, on one node."""

    def __init__(
        self,
        node: str,
        broker: Broker,
        directory: Directory,
        limits: Limits,
        metrics: NodeMetrics,
        clock: Callable[[], float],
        wall: Callable[[], int],
    ) -> None:
        self._node = node
        self._broker = broker
        self._directory = directory
        self._limits = limits
        self._metrics = metrics
        self._clock = clock
        self._wall = wall
        self._buckets: dict[str, TokenBucket] = {}
        self.under_way = 0
        """Appends that the store has not answered yet."""
        self._idle = asyncio.Event()
        self._idle.set()

    async def post(
        self,
        user: User,
        *,
        room: RoomId,
        kind: Kind,
        nonce: str,
        text: str | None = None,
        reply_to: int | None = None,
        target: int | None = None,
        emoji: str | None = None,
        on: bool | None = None,
        age_ms: int | None = None,
        admin: bool = False,
        entered: bool = False,
    ) -> Receipt:
        """
        Append to a room's log on a user's behalf; returns when the entry is safe.

        ``entered`` says that the user is known to be let into the room.

        Raises:
            ClientError: Refused, with the protocol's code; nothing was stored.
            Unavailable: Nothing was stored.
            Indeterminate: Not confirmed within the deadline; it may be stored.
        """
        began = self._clock()
        if age_ms is not None and age_ms > self._limits.nonce_window_s * 1000:
            raise StaleNonce("too old to be sent again: a double could not be ruled out")
        self.spend(user)
        facts = self._directory.known(room) if entered else None
        if facts is None:
            facts = await (self._directory.facts(room) if entered else self._directory.enter(user, room))
        draft = Draft(
            room=room,
            kind=kind,
            author=user,
            nonce=nonce,
            at=self._wall(),
            via=self._node,
            text=text,
            reply_to=reply_to,
            target=target,
            emoji=emoji,
            on=on,
            moderator=admin or facts.created_by == user.id,
        )
        self.under_way += 1
        self._idle.clear()
        try:
            async with asyncio.timeout(self._limits.post_deadline_s):
                receipt = await self._broker.append(draft)
        except TimeoutError:
            raise Indeterminate("the store did not confirm in time") from None
        finally:
            self.under_way -= 1
            if not self.under_way:
                self._idle.set()
        (self._metrics.duplicates if receipt.duplicate else self._metrics.appended).inc()
        self._metrics.append_s.observe(self._clock() - began)
        return receipt

    def spend(self, user: User) -> None:
        """
        Count an act of an account.

        Raises:
            RateLimited: Too many of late.
        """
        rate = self._limits.post_rate
        if rate <= 0:
            return
        now = self._clock()
        bucket = self._buckets.get(user.id)
        if bucket is None:
            bucket = self._buckets[user.id] = TokenBucket(rate, rate * 10, now)
        if wait_s := bucket.take(now):
            raise RateLimited(f"at most {rate:g} posts a second", int(wait_s * 1000) + 1)

    async def finished(self) -> None:
        """Return when no append is under way."""
        await self._idle.wait()

    def sweep(self) -> None:
        """Forget the accounts that have been quiet."""
        now = self._clock()
        self._buckets = {user: bucket for user, bucket in self._buckets.items() if not bucket.full(now)}
