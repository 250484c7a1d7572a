"""Requests to rivals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import httpx

from datchat.drills.rivals.rival import Busy, Gone

ASK_S: Final = 10.0


async def ask(method: str, url: str, path: str, **request: Any) -> httpx.Response:
    """
    An answer that is no error.

    Raises:
        Gone: There is none.
        Busy: The chat, or whatever stands before it, says that it can't.
    """
    # No connection is kept: one that a dead balancer left behind would fail a request that was never sent.
    limits = httpx.Limits(max_keepalive_connections=0)
    try:
        async with httpx.AsyncClient(base_url=url, timeout=ASK_S, trust_env=False, limits=limits) as http:
            answer = await http.request(method, path, **request)
    except httpx.HTTPError as error:
        raise Gone(f"{type(error).__name__}: {error}") from error
    if answer.is_error:
        raise Busy(f"{path} answers {answer.status_code}")
    return answer


async def lines(url: str, path: str) -> list[Mapping[str, str]]:
    """A history as the newer rivals give it: a list of messages with text and place."""
    found: list[Mapping[str, str]] = (await ask("GET", url, path)).json()
    return found
