"""Writers and listeners on a store that several nodes share, and the comparison of what they saw with the log."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise

from datchat.chat import chain, wire
from datchat.chat.model import LOBBY, START, Cursor, Draft, Entry, Kind, Receipt, RoomId, User
from datchat.errors import BackendError
from datchat.ports import Backend, Broker


@dataclass
class Load:
    """What happened. Times are the loop's."""

    acknowledged: dict[str, Receipt] = field(default_factory=dict)
    """Nonce to receipt."""
    order: dict[tuple[RoomId, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    """The nonces of each author in each room, in the order in which they were acknowledged."""
    rooms: dict[str, RoomId] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)
    """When each acknowledgement came."""
    shown: list[list[Entry]] = field(default_factory=list)
    """What each listener was told."""
    refusals: list[str] = field(default_factory=list)

    def longest_silence_s(self, since: float) -> float:
        """The longest time without an acknowledgement after ``since``."""
        times = [since, *(at for at in self.times if at > since)]
        return max(b - a for a, b in pairwise(times))

    def resumed_after_s(self, since: float, quiet_s: float = 0.3) -> float:
        """When acknowledgements came again after the first silence since ``since``; 0 when there was none."""
        times = [at for at in self.times if at > since - quiet_s]
        return next((b - since for a, b in pairwise(times) if b - a > quiet_s), 0.0)

    async def judge(self, broker: Broker) -> list[str]:
        """What is wrong with the log, and with what was shown, by what was acknowledged: a sentence each."""
        faults: list[str] = []
        for room in set(self.rooms.values()):
            entries = await whole(broker, room)
            faults += chain.faults(entries)
            faults += self._compare(room, entries)
        return faults

    def _compare(self, room: RoomId, entries: Sequence[Entry]) -> list[str]:
        contents = {entry.offset: wire.content(entry) for entry in entries}
        nonces = Counter(content.nonce for content in contents.values())
        faults = [f"{nonce} is stored {times} times" for nonce, times in nonces.items() if times > 1]
        for nonce, receipt in self.acknowledged.items():
            if self.rooms[nonce] == room:
                found = contents.get(receipt.cursor.offset)
                if found is None or found.nonce != nonce:
                    faults.append(f"{nonce} was acknowledged at {receipt.cursor} and is not there")
        for (where, author), order in self.order.items():
            if where == room:
                offsets = [self.acknowledged[nonce].cursor.offset for nonce in order]
                if offsets != sorted(offsets):
                    faults.append(f"the posts of {author} are out of order")
        by_cursor = {entry.cursor for entry in entries}
        for listener in self.shown:
            vanished = [entry for entry in listener if entry.room == room and entry.cursor not in by_cursor]
            faults += [f"{entry.cursor} was shown and is gone" for entry in vanished]
        return faults


async def whole(broker: Broker, room: RoomId) -> list[Entry]:
    """Every entry of a room."""
    entries: list[Entry] = []
    cursor: Cursor = START
    while page := (await broker.read(room, cursor, 500)).entries:
        entries += page
        cursor = page[-1].cursor
    return entries


@asynccontextmanager
async def under_load(
    nodes: Sequence[Backend], *, rooms: Sequence[RoomId] = (LOBBY,), writers: int = 8, pause_s: float = 0.02
) -> AsyncIterator[Load]:
    """
    Writers that post one message after the other, each with its nonce again until it is acknowledged, and a listener on
    each node. At the end every post is seen through.
    """
    load = Load()
    stopping = asyncio.Event()
    tasks = [
        asyncio.ensure_future(_write(load, nodes[n % len(nodes)].broker, rooms[n % len(rooms)], n, pause_s, stopping))
        for n in range(writers)
    ]
    ears = []
    for node in nodes:
        for room in rooms:
            await node.broker.subscribe(room)
        load.shown.append([])
        ears.append(asyncio.ensure_future(_listen(node.broker, load.shown[-1])))
    try:
        yield load
        stopping.set()
        async with asyncio.timeout(20):
            await asyncio.gather(*tasks)
    finally:
        for task in (*tasks, *ears):
            task.cancel()
        await asyncio.gather(*tasks, *ears, return_exceptions=True)


async def _write(
    load: Load, broker: Broker, room: RoomId, number: int, pause_s: float, stopping: asyncio.Event
) -> None:
    author = User(f"u_{number}", f"writer {number}")
    loop = asyncio.get_running_loop()
    count = 0
    while not stopping.is_set():
        count += 1
        nonce = f"w{number}-{count}"
        load.rooms[nonce] = room
        draft = Draft(room=room, kind=Kind.MESSAGE, author=author, nonce=nonce, at=count, via="web0", text=nonce)
        while nonce not in load.acknowledged:
            try:
                load.acknowledged[nonce] = await broker.append(draft)
            except BackendError as error:
                load.refusals.append(str(error))
                await asyncio.sleep(0.05)
        load.order[room, author.id].append(nonce)
        load.times.append(loop.time())
        await asyncio.sleep(pause_s)


async def _listen(broker: Broker, shown: list[Entry]) -> None:
    async for batch in broker.events():
        shown += [event for event in batch if isinstance(event, Entry)]
