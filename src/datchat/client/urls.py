"""A server's address, as people give it."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

_SOCKET = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_PAGES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


def socket_url(url: str) -> str:
    """
    Where the socket of a server is: ``http://host:8081`` gives ``ws://host:8081/ws``.

    Raises:
        ValueError: It is no address of a server.
    """
    parts = urlsplit(url)
    if parts.scheme not in _SOCKET or not parts.netloc:
        raise ValueError(f"an address looks like http://127.0.0.1:8081, not {url!r}")
    path = parts.path.rstrip("/")
    return urlunsplit((_SOCKET[parts.scheme], parts.netloc, path if path.endswith("/ws") else path + "/ws", "", ""))


def page_url(url: str) -> str:
    """Where the pages and the API of a server begin, without a slash at the end. Raises as ``socket_url`` does."""
    parts = urlsplit(socket_url(url))
    return urlunsplit((_PAGES[parts.scheme], parts.netloc, parts.path.removesuffix("/ws"), "", ""))
