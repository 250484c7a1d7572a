#!/usr/bin/env python3
"""
The time to open a room with 100,000 entries against one with 10: the page, the view, and the join with its cursor.

Both are opened in turn; medians count. Exit codes with --check: 0 within the bound, 1 past it.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from pathlib import Path

import httpx
from serve import Served, served

from datchat.backends import open_backend
from datchat.chat.model import Draft, Kind, Room, RoomId, User
from datchat.client import Api, Client

BOUND = 1.2
PEOPLE = [User(f"u_{number}", f"person{number}") for number in range(20)]
ROOMS = {RoomId("small"): 10, RoomId("large"): 100_000}
AT_ONCE = 2000


def entry(room: RoomId, number: int) -> Draft:
    """The draft of entry ``number`` (from 1): a message, or now and then a reaction to or an edit of a late one."""
    author = PEOPLE[number % len(PEOPLE)]
    common = {"room": room, "author": author, "nonce": f"n{number}", "at": 1_790_000_000_000 + number, "via": "bench"}
    if number % 25 == 24:
        return Draft(kind=Kind.REACTION, target=number - 20, emoji="👍", on=True, **common)
    if number % 50 == 48:
        return Draft(kind=Kind.EDIT, target=number - 20, text=f"what I meant to say in {number - 20}", **common)
    return Draft(kind=Kind.MESSAGE, text=f"message {number}, which is about as long as what people write", **common)


async def write(data: Path, large: int) -> None:
    """Fill a fresh store with the two rooms."""
    backend = await open_backend(f"sqlite://{data / 'chat.db'}")
    try:
        for room, count in (ROOMS | {RoomId("large"): large}).items():
            await backend.rooms.create(Room(id=room, title=room))
            for first in range(1, count + 1, AT_ONCE):
                numbers = range(first, min(first + AT_ONCE, count + 1))
                await asyncio.gather(*[backend.broker.append(entry(room, number)) for number in numbers])
    finally:
        await backend.close()


async def opening_ms(server: Served, http: httpx.AsyncClient, api: Api, room: str) -> tuple[float, float, float]:
    """How long the page, the view and the join take, in milliseconds."""
    began = time.perf_counter()
    page = await http.get(f"/rooms/{room}")
    page.raise_for_status()
    assert f'"room":"{room}"' in page.text.replace(" ", ""), "the page is that room's"
    had_page = time.perf_counter()
    view = await api.messages(server.token, room)
    had_view = time.perf_counter()
    async with Client(server.url, server.token) as chat:
        connected = time.perf_counter()
        joined = await chat.join(room, view.cursor)
        level = time.perf_counter()
        assert str(joined.cursor or view.cursor) == view.cursor
    return (had_page - began) * 1e3, (had_view - had_page) * 1e3, (level - connected) * 1e3


async def measure(server: Served, times: int) -> float:
    """Open both rooms in turn, print the medians; returns the ratio of the sums."""
    parts: dict[str, list[tuple[float, float, float]]] = {room: [] for room in ROOMS}
    cookie = {"Cookie": f"datchat_session={server.token}"}
    async with httpx.AsyncClient(base_url=server.url, headers=cookie, trust_env=False) as http, Api(server.url) as api:
        for _ in range(times):
            for room in ROOMS:
                parts[room].append(await opening_ms(server, http, api, room))
    totals = {}
    for room, rows in parts.items():
        page, view, join = (statistics.median(column) for column in zip(*rows, strict=True))
        totals[room] = statistics.median(sum(row) for row in rows)
        print(f"{room:6} {totals[room]:6.2f} ms: page {page:.2f}, view {view:.2f}, join {join:.2f}")
    return totals["large"] / totals["small"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="exit with 1 past the bound")
    parser.add_argument("--entries", type=int, default=100_000, help="entries of the large room [100000]")
    parser.add_argument("--times", type=int, default=100, help="how often each is opened [100]")
    parser.add_argument("--tries", type=int, default=1, help="measurements of which the best counts [1]")
    options = parser.parse_args()
    with served(lambda data: asyncio.run(write(data, options.entries))) as server:
        ratio = float("inf")
        for _ in range(options.tries):
            ratio = min(ratio, asyncio.run(measure(server, options.times)))
            print(f"ratio  {ratio:.2f} (bound {BOUND})", flush=True)
            if ratio <= BOUND:
                break
    return int(options.check and ratio > BOUND)


if __name__ == "__main__":
    sys.exit(main())
