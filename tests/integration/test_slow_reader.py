"""
A client that stops reading, with 200 others in the room: it costs them nothing and the server next to no memory, and
gets everything, once and in order, after it wakes.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path

import pytest

from datchat.chat.model import START
from datchat.client import Api, Client, Options, RoomEntry, SignIn
from support.eventually import eventually
from support.gauges import cpu_s, metric, resident_kb
from support.people import people
from support.process import ServerProcess
from support.raw_socket import RawSocket
from support.sinks import Sink, sinks

pytestmark = pytest.mark.measures

OTHERS = 200
MESSAGES = 1500
WINDOW = 16
TEXT = "x" * 850
"""An entry of about 1 KB on the wire."""


class Run:
    """A server, a room with 200 others, and somebody who posts."""

    def __init__(self, server: ServerProcess, room: str, poster: RawSocket, others: list[Sink]) -> None:
        assert server.process is not None
        self.url = server.url
        self.pid = server.process.pid
        self.room = room
        self.poster = poster
        self.others = others
        self.posted = 0

    async def post(self, count: int) -> list[float]:
        """Post so many, a window at a time, and wait until all others have them; the seconds that each took."""
        sent_at: dict[str, float] = {}
        took = []
        goal = [sink.entries + count for sink in self.others]
        for _ in range(count + WINDOW):
            if len(sent_at) + len(took) < count:
                nonce = f"n{self.posted}"
                self.posted += 1
                sent_at[nonce] = time.perf_counter()
                self.poster.send("post", room=self.room, nonce=nonce, text=TEXT)
            if len(sent_at) >= WINDOW or (len(sent_at) + len(took) >= count and sent_at):
                stored = await self.poster.until("stored")
                took.append(time.perf_counter() - sent_at.pop(stored["nonce"]))
        await eventually(lambda: [sink.entries for sink in self.others] >= goal, 20)
        self.poster.pushes.clear()
        return took

    async def measured(self) -> tuple[float, float, int]:
        """Post: the server's microseconds of CPU a delivery, the median milliseconds a post, the growth in KB."""
        cpu, memory = cpu_s(self.pid), resident_kb(self.pid)
        took = await self.post(MESSAGES)
        cost = (cpu_s(self.pid) - cpu) / (MESSAGES * OTHERS) * 1e6
        return cost, statistics.median(took) * 1e3, resident_kb(self.pid) - memory


async def stalled(run: Run, who: SignIn) -> RawSocket:
    """Somebody who joins, stops reading, and is set aside by the server."""
    slow = await RawSocket.open(run.url, who.token, receive_buffer=4096)
    await slow.until("hello")
    await slow.ask("join", room=run.room, limit=1)
    slow.pause_reading()
    for _ in range(100):
        await run.post(50)
        if metric(run.url, "datchat_members_aside") == 1:
            return slow
    raise AssertionError("the socket takes all that is written to it")


async def awake(slow: RawSocket, first: int, last: int) -> None:
    """It reads again: every entry comes, once and in order."""
    slow.resume_reading()
    await slow.until(lambda push: push["type"] == "entry" and push["offset"] == last, 30)
    assert [push["offset"] for push in slow.of("entry")] == list(range(first, last + 1))


@pytest.mark.timeout(480)
async def test_a_slow_reader_costs_the_others_nothing(tmp_path: Path) -> None:
    """
    At most 10 % more of the server's CPU a delivery and of the time of a post, and less than 2 MB of memory.

    Runs with and without the slow one alternate, and their medians are compared; further runs are added while the
    figures of this machine are too restless to tell.
    """
    variables = {"DATCHAT_POST_RATE": "0", "DATCHAT_PING_S": "600", "DATCHAT_SLOW_S": "600"}
    with ServerProcess("--data", tmp_path, **variables) as server:
        sleepy, busy, many = await people(server.url, "sleepy", "busy", "many")
        async with Api(server.url) as api:
            room = (await api.create_room(busy.token, "hall", "Hall")).id
        async with await RawSocket.open(server.url, busy.token) as poster:
            run = Run(server, room, poster, await sinks(server.url, many.token, room, OTHERS))
            await run.post(MESSAGES)
            without: list[tuple[float, float, int]] = []
            beside: list[tuple[float, float, int]] = []
            for pairs in range(1, 9):
                without.append(await run.measured())
                first = run.posted + 1
                async with await stalled(run, sleepy) as slow:
                    beside.append(await run.measured())
                    assert metric(run.url, "datchat_members_aside") == 1
                    await awake(slow, first, run.posted)
                if pairs >= 3 and not verdict(without, beside):
                    break
            assert verdict(without, beside) == []
            for sink in run.others:
                sink.transport.abort()


def verdict(without: list[tuple[float, float, int]], beside: list[tuple[float, float, int]]) -> list[str]:
    """What is too much, a sentence each."""
    (cost, took_ms, grew), (cost_beside, took_beside_ms, grew_beside) = (
        tuple(statistics.median(column) for column in zip(*runs, strict=True)) for runs in (without, beside)
    )
    faults = []
    if cost_beside > 1.1 * cost:
        faults.append(f"{cost_beside:.2f} us CPU a delivery instead of {cost:.2f}")
    if took_beside_ms > 1.1 * took_ms:
        faults.append(f"{took_beside_ms:.2f} ms a post instead of {took_ms:.2f}")
    if grew_beside - grew >= 2048:
        faults.append(f"{grew_beside - grew} KB of memory for the slow one")
    return faults


async def test_a_slow_reader_that_was_closed_comes_back_for_the_rest(tmp_path: Path) -> None:
    """Closed with 4001 while it slept; the client resumes from its cursor and has everything, once and in order."""
    variables = {"DATCHAT_POST_RATE": "0", "DATCHAT_PING_S": "0.5", "DATCHAT_SLOW_S": "0.5"}
    with ServerProcess("--data", tmp_path, **variables) as server:
        sleepy, busy = await people(server.url, "sleepy", "busy")
        quick = Options(backoff_s=0.01, backoff_cap_s=0.05, buffer=100_000)
        async with (
            Client(server.url, sleepy.token, options=quick) as slow,
            Client(server.url, busy.token, options=quick) as chat,
        ):
            room = await slow.join("lobby", START)
            slow.pause_reading()
            count = 0
            writer = await chat.join("lobby")
            while metric(server.url, 'datchat_closes_total{code="4001"}') == 0:
                await asyncio.gather(*[writer.submit("x" * 3900) for _ in range(100)])
                count += 100
            slow.resume_reading()
            seen = []
            async with asyncio.timeout(30):
                while len(seen) < count:
                    event = await anext(room)
                    assert isinstance(event, RoomEntry)
                    seen.append(event.offset)
            assert seen == list(range(1, count + 1))
            assert slow.reconnects >= 1


async def test_a_reader_in_two_rooms_is_set_aside_in_both(tmp_path: Path) -> None:
    """What is full is the socket: after waking it has everything of both rooms."""
    with ServerProcess("--data", tmp_path, DATCHAT_POST_RATE="0") as server:
        sleepy, busy = await people(server.url, "sleepy", "busy")
        async with Api(server.url) as api:
            await api.create_room(busy.token, "den", "Den")
        async with (
            await RawSocket.open(server.url, sleepy.token, receive_buffer=4096) as slow,
            Client(server.url, busy.token) as chat,
        ):
            await slow.until("hello")
            await slow.ask("join", room="lobby")
            await slow.ask("join", room="den")
            slow.pause_reading()
            lobby, den = await chat.join("lobby"), await chat.join("den")
            count = 0
            while metric(server.url, "datchat_members_aside") < 2:
                await asyncio.gather(*[room.submit(TEXT) for room in (lobby, den) for _ in range(50)])
                count += 50
            slow.resume_reading()
            for name in ("lobby", "den"):
                last = (name, count)
                await slow.seen(lambda p, last=last: p["type"] == "entry" and (p["room"], p["offset"]) == last)
                assert [p["offset"] for p in slow.of("entry") if p["room"] == name] == list(range(1, count + 1))
