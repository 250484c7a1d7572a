"""Looks after every switch whether the new master has what this node acknowledged of late."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable

import structlog

from datchat.chat.model import Cursor, RoomId

log = structlog.get_logger("datchat.redis")

RECENT_S = 60.0
MAX_ROOMS = 10_000
"""Rooms that are remembered. Overflow policy: the one that was longest quiet goes."""

Chains = Callable[[dict[RoomId, Cursor]], Awaitable[dict[RoomId, str | None]]]


class Witness:
    """
    Remembers the last acknowledged entry of each room: its chain vouches for all before it. ``missing`` counts the
    rooms whose log turned out to be without theirs, and has to stay 0.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.missing = 0
        self._clock = clock
        self._last: OrderedDict[RoomId, tuple[Cursor, float]] = OrderedDict()

    def note(self, room: RoomId, cursor: Cursor) -> None:
        """An entry was acknowledged."""
        before = self._last.get(room)
        if before is None or before[0].offset <= cursor.offset:
            self._last[room] = (cursor, self._clock())
            self._last.move_to_end(room)
            if len(self._last) > MAX_ROOMS:
                self._last.popitem(last=False)

    async def check(self, chains: Chains) -> None:
        """
        Compare the last minute with the logs.

        Raises:
            BackendError: They can't be read.
        """
        since = self._clock() - RECENT_S
        recent = {room: cursor for room, (cursor, at) in self._last.items() if at >= since}
        for room, chain in (await chains(recent)).items():
            if chain != recent[room].chain:
                self.missing += 1
                del self._last[room]
                log.error("an acknowledged entry is missing", room=room, cursor=str(recent[room]), found=chain)
