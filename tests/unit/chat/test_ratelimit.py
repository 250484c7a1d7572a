"""The token bucket."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datchat.chat.ratelimit import TokenBucket

rates = st.floats(0.01, 1000)
bursts = st.floats(1, 1000)
times = st.floats(0, 1e6)


def allowed(bucket: TokenBucket, now: float, most: int = 10_000) -> int:
    """How many acts go through at one moment."""
    count = 0
    while count < most and bucket.take(now) == 0:
        count += 1
    return count


def test_a_burst_goes_at_once_and_then_the_rate() -> None:
    """After a rest ``burst`` acts, then ``rate`` a second."""
    bucket = TokenBucket(5, 20, now=100)
    assert allowed(bucket, 100) == 20
    assert bucket.take(100) == pytest.approx(0.2)
    assert allowed(bucket, 101) == 5
    assert allowed(bucket, 1000) == 20


def test_a_rate_of_zero_allows_everything() -> None:
    """No limit, and nothing to remember."""
    bucket = TokenBucket(0, 0, now=0)
    assert allowed(bucket, 0, most=500) == 500
    assert bucket.full(0)


def test_a_burst_below_one_still_lets_one_through() -> None:
    """A slow rate must not mean never."""
    bucket = TokenBucket(0.05, 0.5, now=0)
    assert bucket.take(0) == 0
    assert bucket.take(0) == pytest.approx(20)
    assert bucket.take(20) == 0


@given(rate=rates, burst=bursts, start=times, spent=st.integers(1, 50))
def test_who_waits_as_told_gets_through(rate: float, burst: float, start: float, spent: int) -> None:
    """The wait that is told is enough, and not more than is needed."""
    bucket = TokenBucket(rate, burst, start)
    for _ in range(spent):
        bucket.take(start)
    wait_s = bucket.take(start)
    if wait_s:
        assert wait_s <= 1 / rate * (1 + 1e-9)
        early = TokenBucket(rate, burst, start)
        for _ in range(spent):
            early.take(start)
        assert early.take(start + wait_s * 0.9) > 0
        assert bucket.take(start + wait_s * (1 + 1e-6) + 1e-6) == 0


@given(rate=rates, spent=st.lists(st.floats(0, 0.01), min_size=1, max_size=20))
def test_rounding_makes_nobody_wait_twice(rate: float, spent: list[float]) -> None:
    """Exactly the wait that was told is enough, however the floats round."""
    bucket = TokenBucket(rate, 1, 0)
    now, wait_s = 0.0, 0.0
    for pause_s in spent:
        now += pause_s
        wait_s = bucket.take(now)
    if wait_s:
        assert bucket.take(now + wait_s) == 0


@given(rate=rates, burst=bursts, pauses=st.lists(st.floats(0, 10), max_size=50))
def test_never_more_than_the_rate_and_the_burst(rate: float, burst: float, pauses: list[float]) -> None:
    """Over any time at most ``burst + rate * time`` acts go through."""
    bucket = TokenBucket(rate, burst, 0)
    now, through = 0.0, 0
    for pause_s in pauses:
        now += pause_s
        through += allowed(bucket, now, most=20)
        assert through <= burst + rate * now + 1e-6


@given(rate=rates, burst=bursts, back=st.floats(0, 100))
def test_a_clock_that_goes_back_gives_nothing_away(rate: float, burst: float, back: float) -> None:
    """Time that was counted is not counted again."""
    bucket = TokenBucket(rate, burst, 100)
    allowed(bucket, 100)
    assert bucket.take(100 - back) > 0
    assert bucket.take(100) > 0


def test_a_bucket_is_full_after_a_rest() -> None:
    """Only a full bucket may be forgotten: a new one would be the same."""
    bucket = TokenBucket(5, 20, now=0)
    assert bucket.full(0)
    bucket.take(0)
    assert not bucket.full(0.1)
    assert bucket.full(0.2)


def test_what_is_put_back_can_be_taken_again() -> None:
    """An act that does not count after all costs nothing, and nobody gets more than the burst by it."""
    bucket = TokenBucket(5, 2, now=0)
    bucket.take(0)
    bucket.put_back()
    bucket.put_back()
    assert allowed(bucket, 0) == 2
