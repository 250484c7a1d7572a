"""Who stands behind the proxies: by X-Forwarded-For, as far as those who say it are trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware


class Proxies:
    """
    ``trusted`` is a comma-separated list of addresses and networks, or ``*``.

    It is uvicorn's own rule that judges, the same as for HTTP, so that both name the same client.
    """

    def __init__(self, trusted: str) -> None:
        self._rule = ProxyHeadersMiddleware(_take, trusted)

    async def client(self, peer: str | None, headers: Mapping[str, str]) -> str | None:
        """The address of who asks: ``peer``, or whom a trusted peer names. ``headers`` have lower-case names."""
        scope: Any = {
            "type": "websocket",
            "scheme": "ws",
            "client": (peer, 0) if peer else None,
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
        }
        await self._rule(scope, _nothing, _nothing)
        return scope["client"][0] if scope["client"] else None


async def _take(scope: Any, receive: Any, send: Any) -> None:
    """What the rule passes its findings on to; they stand in the scope."""


async def _nothing(*message: Any) -> Any:
    """There is no traffic, only a question."""
