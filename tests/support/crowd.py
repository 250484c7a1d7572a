"""Many people who write and read over a cluster while it is broken, and what each of them saw, for the judge."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Collection, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from datchat.client import Api, Client, ClientFailure, Options, OutboxFull, Room, RoomEntry
from datchat.client.clock import boottime
from datchat.drills.checkers import Judgement, judge
from datchat.drills.history import History, Logged, Seen
from support.eventually import eventually
from support.people import fresh, person

START = f"0:{'0' * 16}"
"""The cursor before a log's first entry."""
OPTIONS = Options(flush_s=0.0, backoff_cap_s=1.0)


@dataclass
class Member:
    """One of the crowd."""

    name: str
    chat: Client
    rooms: list[Room] = field(default_factory=list)


class Crowd:
    """People in the same rooms, each on the node that the balancer gave them."""

    def __init__(self, url: str, rooms: list[str]) -> None:
        self.url = url
        self.history = History()
        self.members: list[Member] = []
        self.token = ""
        self._rooms = rooms
        self._tasks: list[asyncio.Task[None]] = []
        self._chats: list[Client] = []
        self._posting = True

    def now(self) -> float:
        return boottime()

    async def gather(self, count: int, accounts: int) -> None:
        """Sign people up, let them in, each account with several clients if need be, and have them read."""
        made = await asyncio.gather(*(person(self.url, fresh("crowd")) for _ in range(accounts)))
        self.token = made[0].token
        async with Api(self.url) as api:
            for room in self._rooms:
                await api.create_room(self.token, room, room)
        arriving = (self._arrive(f"client{number}", made[number % accounts].token) for number in range(count))
        self.members = await asyncio.gather(*arriving)

    async def _arrive(self, name: str, token: str) -> Member:
        chat = Client(self.url, token, observer=self.history.recorder(name), options=OPTIONS)
        member = Member(name, await chat.__aenter__())
        self._chats.append(chat)
        member.rooms = [await chat.join(room, START) for room in self._rooms]
        for room in member.rooms:
            self._spawn(self._read(member, room))
        return member

    def post(self, rate: float) -> None:
        """Begin to post at this rate, over all, until ``finish``."""
        self._spawn(self._post(rate))

    async def goes_on(self, since: float, more: int = 100, timeout_s: float = 20.0) -> float:
        """
        Wait until so many posts that were begun after ``since`` are acknowledged; returns after how many seconds the
        first one was.
        """
        first = len(self.history.operations)
        while first and self.history.operations[first - 1].invoked_at >= since:
            first -= 1

        def times() -> list[float]:
            begun = itertools.islice(self.history.operations, first, None)
            done = [o.completed_at for o in begun if o.place is not None and o.completed_at is not None]
            return done if len(done) >= more else []

        return min(await eventually(times, timeout_s, describe=self.describe)) - since

    async def each_goes_on(self, since: float, names: Collection[str], timeout_s: float = 20.0) -> float:
        """Wait until each of these has a post acknowledged that was begun after ``since``; returns after how long."""

        def last() -> float:
            first = dict.fromkeys(names, 0.0)
            for operation in reversed(self.history.operations):
                if operation.invoked_at < since:
                    break
                if operation.client in first and operation.place is not None and operation.completed_at is not None:
                    before = first[operation.client]
                    first[operation.client] = min(before or operation.completed_at, operation.completed_at)
            return max(first.values()) if all(first.values()) else 0.0

        return await eventually(last, timeout_s, describe=self.describe) - since

    def on(self, node: str) -> list[str]:
        """Who of the crowd is on a node."""
        return [member.name for member in self.members if member.chat.node and member.chat.node.name == node]

    def busiest(self) -> str:
        """The node with most of the crowd."""
        return max(self.on_nodes().items(), key=lambda item: item[1])[0]

    def on_nodes(self) -> dict[str, int]:
        """How many of the crowd are on which node."""
        nodes: dict[str, int] = {}
        for member in self.members:
            name = member.chat.node.name if member.chat.connected and member.chat.node else "nowhere"
            nodes[name] = nodes.get(name, 0) + 1
        return nodes

    def describe(self) -> str:
        operations = self.history.operations
        under_way = sum(operation.completed_at is None for operation in operations)
        return f"{len(operations)} posts, {under_way} under way; nodes: {self.on_nodes()}"

    async def finish(self, timeout_s: float = 40.0) -> Judgement:
        """Stop posting, wait until everybody has seen everything, read the logs, and judge."""
        self._posting = False
        async with asyncio.timeout(timeout_s):
            for member in self.members:
                assert await member.chat.flush(timeout_s), f"{member.name} still has posts under way"
        for room in self._rooms:
            async with Client(self.url, self.token, observer=self.history.recorder("the last one")) as chat:
                last = await (await chat.join(room)).post("the end")
            self.history.log[room] = await self._log(room, last.offset)
            for member in self.members:
                shown = self.history.seen.get((member.name, room), [])
                with suppress(AssertionError):  # the judge will say so
                    await eventually(partial(_reached, shown, last.offset))
                self.history.stayed.add((member.name, room))
        return await asyncio.to_thread(judge, self.history)

    async def _log(self, room: str, upto: int) -> list[Logged]:
        log: list[Logged] = []
        async with asyncio.timeout(60), Client(self.url, self.token) as chat:
            async for event in await chat.join(room, START):
                assert isinstance(event, RoomEntry)
                log.append(self.history.once(event))
                if event.offset >= upto:
                    break
        return log

    async def leave(self) -> None:
        """End what was begun."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(chat.__aexit__(None, None, None) for chat in self._chats))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(work))

    async def _read(self, member: Member, room: Room) -> None:
        try:
            async for _ in room:
                pass
        except ClientFailure as error:
            print(f"{member.name} reads {room.id} no more: {error!r}")

    async def _post(self, rate: float) -> None:
        loop = asyncio.get_running_loop()
        began, turn = loop.time(), 0
        while self._posting:
            due = int((loop.time() - began) * rate)
            for number in range(turn, due):
                member = self.members[number % len(self.members)]
                room = member.rooms[number // len(self.members) % len(member.rooms)]
                try:
                    room.submit(f"{member.name} says {number}")
                except (OutboxFull, ClientFailure) as error:
                    print(f"{member.name} does not post: {error!r}")
            turn = due
            await asyncio.sleep(0.005)


@asynccontextmanager
async def crowd(url: str, count: int, rooms: list[str], accounts: int | None = None) -> AsyncIterator[Crowd]:
    """A crowd that has come, with an account each unless told."""
    gathered = Crowd(url, rooms)
    try:
        await gathered.gather(count, accounts or count)
        yield gathered
    finally:
        await gathered.leave()


def _reached(shown: Sequence[Seen], offset: int) -> bool:
    return bool(shown) and shown[-1].entry.offset >= offset
