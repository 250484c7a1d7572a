"""Limits failed sign-ins, by account and by address. Time is passed in."""

from __future__ import annotations

from collections import OrderedDict

from datchat.chat.ratelimit import TokenBucket
from datchat.errors import RateLimited

KEPT = 10_000
"""Accounts, and addresses, whose failures are remembered. Overflow policy: the one quiet for longest is forgotten."""


class Attempts:
    """
    Failures of a key cost tokens, ``rate`` of which come back a second, with a burst of fifty times as many.

    An attempt pays when it begins and is paid back when it succeeds, so attempts made at once can't exceed the limit.
    """

    def __init__(self, rate: float, kept: int = KEPT) -> None:
        self._rate = rate
        self._kept = kept
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def begin(self, key: str, now: float) -> None:
        """
        An attempt begins.

        Raises:
            RateLimited: The key has failed too often of late.
        """
        if self._rate <= 0:
            return
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = TokenBucket(self._rate, self._rate * 50, now)
            if len(self._buckets) > self._kept:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(key)
        if wait_s := bucket.take(now):
            raise RateLimited("too many failed attempts, try again later", int(wait_s * 1000) + 1)

    def succeed(self, key: str) -> None:
        """The attempt was no failure."""
        bucket = self._buckets.get(key)
        if bucket is not None:
            bucket.put_back()

    def __len__(self) -> int:
        return len(self._buckets)
