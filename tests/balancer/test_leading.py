"""Which host is the better one: it matters whether it reaches a node, and nothing else."""

from __future__ import annotations

import time

import httpx
import pytest

from datchat.cluster.parts import Kind
from support.balancers import Host, Pair, needs_keepalived
from support.clusters import needs_root, needs_servers
from support.eventually import eventually

pytestmark = [
    needs_servers,
    needs_root,
    needs_keepalived,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="session"),
]

LESS = "Changing effective priority from 150 to 100"
AGAIN = "Changing effective priority from 100 to 150"
MOVE_S = 1.5
"""Longer than it takes until a silent holder is replaced."""


async def counts(host: Host, change: str, since: int) -> None:
    """Wait until the host says since then that it counts less, or as before."""
    await eventually(lambda: change in host.log.read_text()[since:], 60, lambda: host.log.read_text()[since:])


async def stays(balancers: Pair) -> None:
    """Wait until one and the same host has held the address, and nobody else, for as long as a move takes."""
    since, holder = time.monotonic(), balancers.holders()

    def quiet() -> bool:
        nonlocal since, holder
        if not balancers.settled() or balancers.holders() != holder:
            since, holder = time.monotonic(), balancers.holders()
        return time.monotonic() - since > MOVE_S

    await eventually(quiet, 60, balancers.describe)


async def status(balancers: Pair) -> int:
    """With what the shared address answers."""
    async with httpx.AsyncClient(timeout=20, trust_env=False) as http:
        return (await http.get(f"{balancers.url}/auth/sign_in")).status_code


async def test_a_host_that_reaches_no_node_gives_way(balancers: Pair) -> None:
    """HAProxy runs and answers, and leads nowhere: the address goes to the host that reaches the nodes."""
    await balancers.whole()
    struck = balancers.holder()
    nodes = [part.host for part in balancers.plan.of(Kind.WEB)]
    struck.lose(nodes)
    try:
        await eventually(lambda: balancers.holders() == [balancers.other(struck)], 60, balancers.describe)
    finally:
        struck.find(nodes)
    await balancers.whole()
    assert await status(balancers) == 200


async def test_one_host_holds_the_address_when_neither_reaches_a_node(balancers: Pair) -> None:
    """
    Who asks there gets a 503, and the page as soon as nodes are reached again. One host may notice before the other, at
    both ends: the address may move then, when no socket is left that could be cut by it, and not in between.
    """
    await balancers.whole()
    before = {host.name: len(host.log.read_text()) for host in balancers.hosts}
    balancers.network.cut([part.name for part in balancers.plan.parts])
    try:
        for host in balancers.hosts:
            await counts(host, LESS, before[host.name])
        await stays(balancers)
        assert await status(balancers) == 503
    finally:
        balancers.network.heal()
    for host in balancers.hosts:
        await counts(host, AGAIN, before[host.name])
    await balancers.whole()
    assert await status(balancers) == 200
