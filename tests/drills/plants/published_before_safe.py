"""
A batch is told to all nodes as soon as the master has it; only the acknowledgement waits until it is safe.

And while it waits, what comes after it is told as well: the node does not doubt a master that answers. A sound node
stops at the first batch that isn't safe; were the bug no more than that one, it would show only when that batch holds
posts, and when they were not already on their way to all replicas.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from datchat.backends.redis import keys
from datchat.backends.redis.ack import Seen, Unknown, Verdict
from datchat.backends.redis.batch import Act, Batch
from datchat.backends.redis.link import Link
from datchat.backends.redis.pipeline import Pipeline
from datchat.chat import wire


def plant() -> None:
    conclude, doubt = Pipeline._conclude, Pipeline._doubt

    async def conclude_later(self: Pipeline, seen: Seen, link: Link, replies: list[object], batch: Batch) -> Verdict:
        publish(batch, replies, link)
        verdict = await conclude(self, seen, link, replies, batch)
        if isinstance(verdict, Unknown):
            self._queue.extendleft(reversed(self._batch))
            self._batch = []
        return verdict

    def trust(self: Pipeline, reason: str, link: Link) -> Unknown:
        if not link.alive or "the sentinels do not hold to" not in reason:
            return doubt(self, reason, link)
        self._excused = self._mute = frozenset()
        return Unknown(reason)

    Pipeline._conclude = conclude_later  # type: ignore[method-assign]
    Pipeline._doubt = trust  # type: ignore[method-assign]


def publish(batch: Batch, replies: Sequence[Any], link: Link) -> None:
    at = 0
    for part in batch._parts:
        if not isinstance(part, Act):
            entries, _ = part.read(replies[at], 1)
            link.forget([("PUBLISH", keys.channel(part.room), wire.entry_json(entry)) for entry in entries])
        at += part.count
