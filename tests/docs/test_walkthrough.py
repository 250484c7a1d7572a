"""The walk, from its first command to its last, as it stands there."""

from __future__ import annotations

import asyncio
import re
import socket
from pathlib import Path

import pytest

from datchat.client import Client
from docs.documents import block, text
from docs.test_commands import Terminal
from support.clusters import needs_servers
from support.eventually import eventually_now
from support.people import fresh, person

WALK = text("docs/walkthrough.md")
STEPS = re.findall(r"<!-- (walk: .*) -->", WALK)

pytestmark = [needs_servers, pytest.mark.timeout(180)]


def roles(listing: str) -> dict[str, str]:
    """Which Redis server is what, as ``ps`` prints it."""
    rows = [line.split() for line in listing.splitlines()]
    return {row[0]: row[2] for row in rows if len(row) > 2 and row[2] in ("master", "replica")}


async def test_the_walk(tmp_path: Path) -> None:
    """Every command, in order, with two people who talk on: each does what the text says, and nothing is lost."""
    done: list[str] = []
    terminal = Terminal(tmp_path)

    def step(name: str) -> str:
        done.append(f"walk: {name}")
        return terminal.run(block(WALK, f"walk: {name}"))

    try:
        assert terminal.url in step("start")
        assert roles(step("look"))["redismaster"] == "master"
        assert {f"web/web{number} is UP" in step("up") for number in range(3)} == {True}
        del done[-2:]
        alice, bob = [await person(terminal.url, fresh(name)) for name in ("alice", "bob")]
        async with Client(terminal.url, alice.token) as hers, Client(terminal.url, bob.token) as his:
            rooms = [await chat.join("lobby") for chat in (hers, his)]
            for room in rooms:
                await room.post("before")
            assert "GET /ws" in step("nodes")
            step("stop")
            for room in rooms:
                await room.post("meanwhile")
            master = [name for name, role in roles(step("promoted")).items() if role == "master"]
            assert master in (["redisslave"], ["redisslave2"])
            assert step("reconnected").count("reconnecting to new redis master") >= 3
            assert "redismaster" in step("back")
            await asyncio.to_thread(eventually_now, lambda: _as_replica(terminal), 20)
            step("node")
            for room in rooms:
                await room.post("on another node")
            step("node back")
        proof = step("proof")
        assert re.search(r"valid: \d+ rooms, 6 entries", proof), proof
        assert "the cluster is down" in step("down")
    finally:
        if "walk: down" not in done:
            terminal.run(".venv/bin/datchat down")
    assert done == STEPS
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", int(terminal.url.rpartition(":")[2])), 1)


def _as_replica(terminal: Terminal) -> bool:
    return roles(terminal.run(block(WALK, "walk: look"))).get("redismaster") == "replica"
