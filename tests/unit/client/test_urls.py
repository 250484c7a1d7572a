"""Addresses as people give them."""

from __future__ import annotations

import pytest

from datchat.client.urls import page_url, socket_url


@pytest.mark.parametrize(
    ("given", "socket", "page"),
    [
        ("http://127.0.0.1:8081", "ws://127.0.0.1:8081/ws", "http://127.0.0.1:8081"),
        ("http://127.0.0.1:8081/", "ws://127.0.0.1:8081/ws", "http://127.0.0.1:8081"),
        ("https://chat.example.org", "wss://chat.example.org/ws", "https://chat.example.org"),
        ("ws://[::1]:8081/ws", "ws://[::1]:8081/ws", "http://[::1]:8081"),
        ("wss://example.org/chat/", "wss://example.org/chat/ws", "https://example.org/chat"),
    ],
)
def test_addresses(given: str, socket: str, page: str) -> None:
    """Pages and socket are found from either's address."""
    assert (socket_url(given), page_url(given)) == (socket, page)


@pytest.mark.parametrize("given", ["", "127.0.0.1:8081", "ftp://example.org", "http://", "localhost"])
def test_what_is_no_address(given: str) -> None:
    """Anything else is refused with a sentence that shows an address."""
    with pytest.raises(ValueError, match="looks like http"):
        socket_url(given)
