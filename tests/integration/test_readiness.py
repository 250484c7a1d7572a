"""Readiness that means it, on a real node and a real Redis: a node that hears nothing, or can't write, says so."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import httpx
import pytest

from support.clusters import needs_servers
from support.process import ServerProcess
from support.proxy import proxy
from support.redis_servers import HOST, redis_server

pytestmark = [needs_servers, pytest.mark.timeout(90)]

NOTICED_S = 5.0


async def ready(url: str) -> bool:
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        return (await client.get(f"{url}/readyz")).status_code == 200


async def becomes(url: str, wanted: bool, within_s: float) -> float:
    """Wait until the node is ready, or isn't; returns how long that took."""
    began = time.monotonic()
    while await ready(url) is not wanted:
        assert time.monotonic() - began < within_s, f"not {'ready' if wanted else 'unready'} within {within_s} s"
        await asyncio.sleep(0.1)
    return time.monotonic() - began


async def test_a_deaf_node_is_not_ready(tmp_path: Path) -> None:
    """
    Its writes succeed, and what it is told is lost on the way, whichever connection it makes: unready within 5 s, and
    ready again by itself once it hears.
    """
    with redis_server(tmp_path / "redis") as redis:
        async with proxy(redis.port) as between:
            store = f"redis://{HOST}:{between.port}"
            server = ServerProcess("--store", store, "--ready-s", "0.5", "--drain-s", "0")
            await asyncio.to_thread(server.start)
            try:
                await becomes(server.url, True, 10)
                between.deaf = True
                assert between.deafen() == 1
                await becomes(server.url, False, NOTICED_S)
                await asyncio.sleep(3)
                assert not await ready(server.url), "a new connection that is as deaf is no cure"
                between.hear()
                await becomes(server.url, True, 10)
            finally:
                server.__exit__(None, None, None)


async def test_a_node_that_cannot_write_is_not_ready(tmp_path: Path) -> None:
    """The server reads and answers, but takes no write: unready within 5 s, and ready again once it does."""
    with (
        redis_server(tmp_path / "redis") as redis,
        ServerProcess("--store", redis.url, "--ready-s", "0.5") as server,
    ):
        await becomes(server.url, True, 10)
        redis.ask("CLIENT", "PAUSE", 60_000, "WRITE")
        await becomes(server.url, False, NOTICED_S)
        redis.ask("CLIENT", "UNPAUSE")
        await becomes(server.url, True, 10)
