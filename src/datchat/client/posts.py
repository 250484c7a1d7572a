"""The outbox at work: sends what can go, settles what is answered, wakes when something is due."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from datchat.chat import wire
from datchat.client.backoff import Backoff
from datchat.client.errors import ClientFailure
from datchat.client.link import Link
from datchat.client.observer import Observer
from datchat.client.options import Options
from datchat.client.outbox import Outbox
from datchat.client.pending import Pending
from datchat.client.pushes import RefusedPush, Stored


class Posts:
    """What a client has posted and is not answered yet. What guarantees hold, ``Outbox`` says."""

    def __init__(
        self, link: Link, options: Options, observer: Observer, clock: Callable[[], float], rng: random.Random
    ) -> None:
        self._link = link
        self._observer = observer
        self._clock = clock
        self._outbox = Outbox(
            Backoff(rng, options.backoff_s, options.backoff_cap_s),
            window=options.window,
            capacity=options.outbox,
            nonce_window_s=options.nonce_window_s,
        )
        self._pending: dict[str, tuple[wire.Posting, Pending]] = {}
        self._alarm: asyncio.TimerHandle | None = None
        self._empty: asyncio.Future[None] | None = None

    def submit(self, command: wire.Posting) -> Pending:
        """Take a command in; raises as ``Outbox.add`` does."""
        self._outbox.add(command)
        pending = Pending(command.room, command.nonce)
        self._pending[command.nonce] = command, pending
        self._observer.invoked(self._clock(), command)
        self.tend()
        return pending

    def stored(self, answer: Stored) -> None:
        if self._outbox.stored(answer.nonce) is not None:
            self._settle(answer.nonce, answer)
            self.tend()

    def refused(self, answer: RefusedPush) -> None:
        assert isinstance(answer.id, str)
        retry_after_s = None if answer.retry_after_ms is None else answer.retry_after_ms / 1000
        ended = self._outbox.refused(answer.id, answer.code, answer.message, answer.retry, retry_after_s, self._clock())
        if ended is not None:
            self._settle(answer.id, ended[1])
        self.tend()

    def interrupted(self) -> None:
        """The connection is lost."""
        self._outbox.interrupted()
        self.tend()

    def abandon(self, why: str) -> None:
        """Give up everything."""
        for draft, error in self._outbox.abandon(why):
            self._settle(draft.nonce, error)
        self.tend()

    def oldest_sent_at(self) -> float | None:
        return self._outbox.oldest_sent_at()

    async def flush(self, timeout_s: float) -> bool:
        """Wait until the outbox is empty; False when it isn't in time."""
        if not self._outbox:
            return True
        if self._empty is None or self._empty.done():
            self._empty = asyncio.get_running_loop().create_future()
        done, _ = await asyncio.wait([self._empty], timeout=timeout_s)
        return bool(done)

    def tend(self) -> None:
        """Send what can go, give up what is too old, and come back when there will be more of either."""
        now = self._clock()
        for draft, error in self._outbox.expire(now):
            self._settle(draft.nonce, error)
        if self._link.connected:
            for frame in self._outbox.take(now):
                self._link.send(frame)
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        due_at = self._outbox.due_at(self._link.connected)
        if due_at is not None:
            self._alarm = asyncio.get_running_loop().call_later(max(0.001, due_at - now), self.tend)

    def _settle(self, nonce: str, outcome: Stored | ClientFailure) -> None:
        command, pending = self._pending.pop(nonce)
        self._observer.completed(self._clock(), command, outcome)
        pending.settle(outcome)
        if not self._outbox and self._empty is not None and not self._empty.done():
            self._empty.set_result(None)
