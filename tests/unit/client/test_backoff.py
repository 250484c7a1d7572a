"""Pauses between tries."""

from __future__ import annotations

from datchat.client.backoff import Backoff
from support.dice import Highest, Lowest


def test_the_longest_pause_doubles_up_to_the_cap() -> None:
    """The upper end of the jitter doubles with each failure, and never passes the cap."""
    backoff = Backoff(Highest(), base_s=0.1, cap_s=1.0)
    assert [round(backoff.next(), 3) for _ in range(6)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_the_jitter_is_full() -> None:
    """The lower end is no pause at all, however often it failed: a herd is spread over the whole time."""
    backoff = Backoff(Lowest())
    assert [backoff.next() for _ in range(5)] == [0.0] * 5


def test_success_begins_anew() -> None:
    """After a success the pauses are short again."""
    backoff = Backoff(Highest(), base_s=0.1, cap_s=10)
    for _ in range(5):
        backoff.next()
    backoff.reset()
    assert backoff.next() == 0.1


def test_many_failures_are_no_overflow() -> None:
    """A day of failures is still a pause of the cap."""
    backoff = Backoff(Highest(), base_s=0.1, cap_s=5)
    for _ in range(100_000):
        backoff.next()
    assert backoff.next() == 5
