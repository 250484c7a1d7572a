"""Presence for a store that serves one process: the leases live in its memory, and die with it as they should."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from datchat.chat.model import RoomId, User
from datchat.chat.roster import Roster


class LocalPresence:
    """Serves the Presence port. ``clock`` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._rosters: dict[RoomId, Roster] = {}

    async def touch(self, room: RoomId, node: str, users: Iterable[User], ttl_s: float) -> None:
        self._rosters.setdefault(room, Roster()).touch(node, users, self._clock() + ttl_s)
        self._tidy(room)

    async def drop(self, room: RoomId, node: str, user_ids: Iterable[str]) -> None:
        if room in self._rosters:
            self._rosters[room].drop(node, user_ids)
            self._tidy(room)

    async def roster(self, room: RoomId) -> Sequence[User]:
        if room not in self._rosters:
            return []
        present = self._rosters[room].present(self._clock())
        self._tidy(room)
        return present

    def _tidy(self, room: RoomId) -> None:
        self._rosters[room].expire(self._clock())
        if not len(self._rosters[room]):
            del self._rosters[room]
