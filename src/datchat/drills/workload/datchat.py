"""The people of Dat Chat itself, who hold it to all of its promise."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from typing import Final

from datchat.chat.model import START
from datchat.client import Api, ClientFailure, Cursor, Refused, RoomEntry
from datchat.client.clock import boottime
from datchat.drills import numbers
from datchat.drills.checkers import CHECKERS, Checker
from datchat.drills.circumstances import Circumstances, checkers_for
from datchat.drills.history import History
from datchat.drills.targets import TargetError
from datchat.drills.workload.cast import let_in, roles
from datchat.drills.workload.crowd import Crowd
from datchat.drills.workload.people import Person, arrive, make_room
from datchat.drills.workload.readers import read

ROOMS: Final = 3
ARRIVE_S: Final = 60.0
READ_S: Final = 60.0
"""How long reading the log is tried."""
LEVEL_S: Final = 30.0
"""How long readers may take to have seen the end of the log."""
WINDOW: Final = 500
"""Entries of one page of the log."""


class DatChat:
    """A ``Workload``."""

    system = "Dat Chat"
    versions: Mapping[str, str] = {}
    leaves_out: Mapping[str, str] = {}

    def __init__(self) -> None:
        self._host: Person | None = None

    def rooms(self) -> list[str]:
        mark = secrets.token_hex(4)
        return [f"drill-{mark}-{number}" for number in range(1, ROOMS + 1)]

    async def let_in(self, crowd: Crowd, lasts_s: float) -> None:
        names = ["host-1", *roles(crowd.size.clients, len(crowd.doors))]
        async with Api(crowd.url) as api:
            async with asyncio.timeout(ARRIVE_S):
                self._host, *people = await asyncio.gather(*(arrive(api, name) for name in names))
            for room in crowd.rooms:
                await make_room(api, self._host, room)
        let_in(crowd, people, lasts_s)

    async def let_more_in(self, crowd: Crowd, count: int) -> None:
        async with Api(crowd.url) as api:
            for number in range(1, count + 1):
                if crowd.stopping.is_set():
                    return
                person = await arrive(api, f"storm-{number}")
                crowd.begin(person.name, read(crowd, person, [crowd.url]))

    async def read_log(self, crowd: Crowd, room: str) -> None:
        """As anybody may read it."""
        if self._host is None:
            raise TargetError("nobody has arrived who could read the log")
        async with Api(crowd.url) as api:
            log = await _read_log(api, self._host, room)
        crowd.history.log[room] = [crowd.history.once(entry) for entry in log]

    async def level(self, crowd: Crowd) -> None:
        await crowd.level(LEVEL_S)

    def checkers(self, around: Circumstances) -> Mapping[str, Checker]:
        return {**CHECKERS, **checkers_for(around)}

    def counts(self, history: History) -> numbers.Counts:
        return numbers.counts(history)


async def _read_log(api: Api, host: Person, room: str) -> list[RoomEntry]:
    deadline = boottime() + READ_S
    cursor: Cursor = START
    log: list[RoomEntry] = []
    while True:
        try:
            page = await api.entries(host.token, room, after=cursor, limit=WINDOW)
        except Refused as refusal:
            if refusal.code != "unavailable" or boottime() > deadline:
                raise
        except ClientFailure:
            if boottime() > deadline:
                raise
        else:
            if page.reset:
                raise TargetError(f"the log of {room} changed while it was read: {cursor} is there no more")
            log += page.read()
            cursor = Cursor.parse(page.cursor)
            if not page.more:
                return log
            continue
        await asyncio.sleep(0.2)
