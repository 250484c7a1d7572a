"""Opens a store by its URL. Drivers are imported only when their scheme is asked for."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from datchat.errors import ConfigurationError
from datchat.ports import Backend


async def open_backend(url: str, *, nonce_window_s: float = 600.0, exclusive: bool = True, ack: str = "all") -> Backend:
    """
    Open the store at ``url``: ``sqlite:///path``, ``redis://…``, ``rediss://…``, ``redis+sentinel://…`` or ``memory://``.

    ``nonce_window_s`` is how long, at least, a nonce is remembered. ``exclusive`` is for the process that serves; tools
    that work beside it open the store without, and can't append to an embedded one. ``ack`` is the rule by which Redis
    servers acknowledge; any but ``all`` breaks the promise and is for drills.

    Raises:
        ConfigurationError: The URL is wrong or the store can't be used; nothing was changed.
    """
    parts = urlsplit(url)
    if ack != "all" and not parts.scheme.startswith("redis"):
        raise ConfigurationError(f"--ack {ack} is for Redis servers: leave it out with {parts.scheme}://…")
    if parts.scheme == "memory":
        from datchat.backends.memory import MemoryBackend

        return MemoryBackend(nonce_window_s=nonce_window_s)
    if parts.scheme == "sqlite":
        from datchat.backends.sqlite import open_sqlite

        if parts.netloc:
            raise ConfigurationError(f"{url}: a SQLite URL has three slashes, as in sqlite:///var/lib/datchat/chat.db")
        return await open_sqlite(unquote(parts.path), nonce_window_s=nonce_window_s, exclusive=exclusive)
    if parts.scheme in ("redis", "rediss", "redis+sentinel", "rediss+sentinel"):
        from datchat.backends.redis import WEAKER_RULES, open_redis

        return await open_redis(url, nonce_window_s=nonce_window_s, rule=WEAKER_RULES.get(ack))
    raise ConfigurationError(
        f"{parts.scheme}://… is no store's URL: use sqlite:///path, redis://host:port, "
        "redis+sentinel://host:port,host:port/name or memory://"
    )
