"""Whom a request comes from, past the proxies."""

from __future__ import annotations

import pytest

from datchat.web.proxies import Proxies


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "client"),
    [
        ("127.0.0.1", "127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.0/8", "10.1.2.3", "203.0.113.9", "203.0.113.9"),
        ("*", "192.0.2.1", "203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "192.0.2.1", "203.0.113.9", "192.0.2.1"),
        ("127.0.0.1,10.0.0.1", "127.0.0.1", "203.0.113.9, 198.51.100.7, 10.0.0.1", "198.51.100.7"),
        ("127.0.0.1", "127.0.0.1", None, "127.0.0.1"),
        ("127.0.0.1", None, "203.0.113.9", None),
    ],
    ids=["address", "network", "anybody", "not trusted", "nearest who is not trusted", "nothing said", "no peer"],
)
async def test_only_trusted_proxies_are_believed(
    trusted: str, peer: str | None, forwarded: str | None, client: str | None
) -> None:
    """The nearest address that no trusted proxy has; what others say counts for nothing."""
    headers = {"host": "chat.example.org", **({"x-forwarded-for": forwarded} if forwarded else {})}
    assert await Proxies(trusted).client(peer, headers) == client
