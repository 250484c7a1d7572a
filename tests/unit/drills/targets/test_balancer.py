"""What of HAProxy's statistics counts as a node that is well."""

from __future__ import annotations

import asyncio

import pytest

from datchat.drills.targets import TargetError, balancer
from support.sockets import listening

STATISTICS = """\
# pxname,svname,status,check_status
chat,FRONTEND,OPEN,
web,web0,UP,L7OK
web,web1,UP,
web,web2,DOWN,L4CON
web,web3,NOLB,L7OKC
web,web4,MAINT (resolution),
web,BACKEND,UP,
living,web2,UP,L7OK
"""


def test_only_what_was_checked_and_found_up() -> None:
    """Not what was not yet checked, drains, is down, or is an empty place for one that may come."""
    assert balancer.well(STATISTICS) == ["web0"]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no balancer that does not answer."""
    monkeypatch.setattr(balancer, "LIMIT_S", 60.0)


async def check(status: str, nodes: int) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        assert asked.startswith(b"GET /haproxy?stats;csv ")
        head = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len(STATISTICS)}\r\n\r\n"
        writer.write((head + STATISTICS).encode())

    async with listening(serve) as port:
        await balancer.check(f"http://127.0.0.1:{port}", nodes)


async def test_all_nodes_are_well() -> None:
    """As many as there are."""
    await check("200 OK", 1)


async def test_a_node_is_missing() -> None:
    """Which ones are well is told."""
    with pytest.raises(TargetError, match="it takes 1 of 3 nodes for well: web0"):
        await check("200 OK", 3)


async def test_statistics_that_are_closed() -> None:
    """A balancer that doesn't say can't be judged."""
    with pytest.raises(TargetError, match=r"its statistics can't be read: .*401"):
        await check("401 Unauthorized", 1)
