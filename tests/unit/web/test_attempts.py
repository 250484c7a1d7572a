"""Limiting failed sign-ins."""

from __future__ import annotations

import pytest

from datchat.errors import RateLimited
from datchat.web.attempts import Attempts
from datchat.web.entrance import network_of


def test_failures_are_limited_and_come_back_with_time() -> None:
    """A burst of fifty times the rate, then one each ``1/rate`` seconds."""
    attempts = Attempts(0.1)
    for _ in range(5):
        attempts.begin("a", 0.0)
    with pytest.raises(RateLimited) as refused:
        attempts.begin("a", 0.0)
    assert refused.value.retry_after_ms == 10_001
    attempts.begin("b", 0.0)
    attempts.begin("a", 10.1)
    with pytest.raises(RateLimited):
        attempts.begin("a", 10.1)


def test_a_success_costs_nothing() -> None:
    """However often, and never more than was paid."""
    attempts = Attempts(0.02)
    for _ in range(100):
        attempts.begin("a", 0.0)
        attempts.succeed("a")
    attempts.succeed("a")
    attempts.succeed("unknown")
    attempts.begin("a", 0.0)
    with pytest.raises(RateLimited):
        attempts.begin("a", 0.0)


def test_attempts_at_once_can_not_exceed_the_limit() -> None:
    """Each pays when it begins, not when it has failed."""
    attempts = Attempts(0.04)
    attempts.begin("a", 0.0)
    attempts.begin("a", 0.0)
    with pytest.raises(RateLimited):
        attempts.begin("a", 0.0)
    attempts.succeed("a")
    attempts.begin("a", 0.0)


def test_a_rate_of_nothing_lifts_the_limit() -> None:
    """And remembers nobody."""
    attempts = Attempts(0.0)
    for _ in range(1000):
        attempts.begin("a", 0.0)
    assert len(attempts) == 0


def test_memory_is_bounded() -> None:
    """The one that was quiet for longest is forgotten."""
    attempts = Attempts(0.02, kept=3)
    for key in ("a", "b", "c"):
        attempts.begin(key, 0.0)
    with pytest.raises(RateLimited):
        attempts.begin("a", 0.0)
    attempts.begin("d", 0.0)
    assert len(attempts) == 3
    with pytest.raises(RateLimited):
        attempts.begin("a", 0.0)
    attempts.begin("b", 0.0)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("", ""),
        ("testclient", "testclient"),
    ],
)
def test_a_network_of_ipv6_is_one_address(address: str, network: str) -> None:
    """One subscriber has 2^64 of them."""
    assert network_of(address) == network
