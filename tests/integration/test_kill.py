"""
``kill -9`` of the server in the middle of thousands of posts, again and again: nothing that was acknowledged is lost,
nothing is stored twice, every reader sees it all, once and in order.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from pathlib import Path

import pytest

from datchat.chat import wire
from datchat.chat.chain import faults
from datchat.chat.model import START, Cursor, Entry, RoomId
from datchat.client import Api, Client, Options, RoomEntry, SignIn
from support.eventually import eventually
from support.people import people
from support.process import ServerProcess, datchat

ROUNDS = 20
ROOMS = ("lobby", "den", "attic")
POSTS_A_ROUND = 200
IN_FLIGHT = 48
QUICK = Options(backoff_s=0.02, backoff_cap_s=0.1)


class Writer:
    """Somebody who posts to each room in turn, as fast as it is acknowledged. ``acknowledged``: nonce to place."""

    def __init__(self, url: str, who: SignIn) -> None:
        self.url = url
        self.who = who
        self.submitted: list[tuple[str, str]] = []
        self.acknowledged: dict[str, tuple[str, int]] = {}
        self.stop = asyncio.Event()

    async def run(self) -> None:
        under_way: deque[asyncio.Future[None]] = deque()
        async with Client(self.url, self.who.token, options=QUICK) as chat, asyncio.TaskGroup() as group:
            while not self.stop.is_set():
                room, nonce = ROOMS[len(self.submitted) % len(ROOMS)], f"n{len(self.submitted)}"
                self.submitted.append((room, nonce))
                under_way.append(group.create_task(self._post(chat, room, nonce)))
                await asyncio.sleep(0)
                if len(under_way) >= IN_FLIGHT:
                    await under_way.popleft()

    async def _post(self, chat: Client, room: str, nonce: str) -> None:
        stored = await chat.submit(wire.Post(room=RoomId(room), nonce=nonce, text=f"{self.who.user.name} says {nonce}"))
        self.acknowledged[nonce] = (room, stored.offset)


class Reader:
    """Somebody who reads a room from its beginning."""

    def __init__(self, url: str, who: SignIn, room: str) -> None:
        self.url = url
        self.who = who
        self.room = room
        self.seen: list[Entry] = []

    async def run(self) -> None:
        async with Client(self.url, self.who.token, options=QUICK) as chat:
            async for event in await chat.join(self.room, START):
                assert isinstance(event, RoomEntry), event
                self.seen.append(event.entry)


class Auditor:
    """Reads every room's log over HTTP, page by page, from where it was last; knows what stood where."""

    def __init__(self, who: SignIn) -> None:
        self.who = who
        self.logs: dict[str, list[Entry]] = {room: [] for room in ROOMS}

    async def read(self, url: str) -> None:
        """What was there before is still there, since the cursor's chain says so; what is new has no holes."""
        async with Api(url) as api:
            for room, log in self.logs.items():
                more = True
                while more:
                    after: Cursor = log[-1].cursor if log else START
                    page = await api.entries(self.who.token, room, after=after, limit=500)
                    assert not page.reset, f"{room} has lost {after}"
                    entries = [each.entry for each in page.read()]
                    assert list(faults(entries, after)) == []
                    log += entries
                    more = page.more

    def missing(self, writer: Writer) -> list[str]:
        """The acknowledged of a writer that are not where the acknowledgement said."""
        found = {}
        for room, log in self.logs.items():
            for entry in log:
                said = RoomEntry(entry)
                if said.author.id == writer.who.user.id:
                    found[said.nonce] = (room, said.offset)
        return [nonce for nonce, place in writer.acknowledged.items() if found.get(nonce) != place]


@pytest.mark.timeout(480)
async def test_kill_9_twenty_times(tmp_path: Path) -> None:
    """After each restart every acknowledged entry is at its offset; at the end each post is there once, in order."""
    rng = random.Random(20)
    with ServerProcess("--data", tmp_path, DATCHAT_POST_RATE="0", DATCHAT_COMMAND_RATE="0") as server:
        url = server.url
        who = await people(url, "ann", "bea", "cid", "dan", "eve")
        async with Api(url) as api:
            for room in ROOMS[1:]:
                await api.create_room(who[0].token, room, room)
        writers = [Writer(url, each) for each in who[:4]]
        readers = [Reader(url, who[4], room) for room in ROOMS]
        auditor = Auditor(who[4])
        async with asyncio.TaskGroup() as group:
            writing = [group.create_task(writer.run()) for writer in writers]
            reading = [group.create_task(reader.run()) for reader in readers]
            for number in range(ROUNDS):
                goal = sum(len(writer.acknowledged) for writer in writers) + POSTS_A_ROUND
                await eventually(lambda goal=goal: sum(len(w.acknowledged) for w in writers) >= goal, 30)
                await asyncio.sleep(rng.uniform(0, 0.05))
                acknowledged = [dict(writer.acknowledged) for writer in writers]
                server.kill()
                await asyncio.to_thread(server.start)
                await auditor.read(url)
                for writer, before in zip(writers, acknowledged, strict=True):
                    late = set(auditor.missing(writer)) & set(before)
                    assert not late, f"lost by kill {number}: {sorted(late)[:5]}"
                if number % 5 == 4:
                    await verified(tmp_path)
            for writer in writers:
                writer.stop.set()
            await asyncio.wait(writing)
            await auditor.read(url)
            await eventually(lambda: all(len(r.seen) == len(auditor.logs[r.room]) for r in readers), 20)
            for task in reading:
                task.cancel()
        await verified(tmp_path)
    judge(writers, readers, auditor)


def judge(writers: list[Writer], readers: list[Reader], auditor: Auditor) -> None:
    """All that was submitted is stored once, in its writer's order, and all readers saw exactly the logs."""
    for writer in writers:
        assert len(writer.acknowledged) == len(writer.submitted)
        assert auditor.missing(writer) == []
    said = [RoomEntry(entry) for log in auditor.logs.values() for entry in log]
    stored = Counter((each.room, each.author.id, each.nonce) for each in said)
    assert set(stored.values()) == {1}, "each once"
    assert len(stored) == sum(len(writer.submitted) for writer in writers) >= ROUNDS * POSTS_A_ROUND
    for room, log in auditor.logs.items():
        for writer in writers:
            mine = [RoomEntry(entry).nonce for entry in log if RoomEntry(entry).author.id == writer.who.user.id]
            assert mine == [nonce for where, nonce in writer.submitted if where == room], "in the order of posting"
    for reader in readers:
        assert reader.seen == auditor.logs[reader.room]


async def verified(data: Path) -> None:
    """``datchat verify`` beside the running server says that all is well."""
    verdict = await asyncio.to_thread(datchat, "verify", "--data", data)
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr
    assert "valid" in verdict.stdout.splitlines()[-1]
