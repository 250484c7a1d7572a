"""
The Presence port on Redis: leases in sorted sets, by the server's clock.

Leases are not proved to be safe: those that a failover takes are renewed before anybody misses them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from datchat.backends.redis import keys, scripts
from datchat.backends.redis.link import Word
from datchat.backends.redis.store import Side
from datchat.chat.model import RoomId, User


class RedisPresence:
    """Serves the Presence port."""

    def __init__(self, side: Side) -> None:
        self._side = side

    async def touch(self, room: RoomId, node: str, users: Iterable[User], ttl_s: float) -> None:
        words: list[Word] = []
        for user in users:
            words += [_lease(node, user.id), user.id, user.name]
        if words:
            places = [keys.leases(room), keys.lease_names(room)]
            await self._side.call(scripts.TOUCH(places, max(1, round(ttl_s * 1000)), *words))

    async def drop(self, room: RoomId, node: str, user_ids: Iterable[str]) -> None:
        leases = [_lease(node, user_id) for user_id in user_ids]
        if leases:
            await self._side.call(("ZREM", keys.leases(room), *leases))

    async def roster(self, room: RoomId) -> Sequence[User]:
        leases, names = await self._side.call(scripts.ROSTER([keys.leases(room), keys.lease_names(room)]))
        named = {names[i]: names[i + 1] for i in range(0, len(names), 2)}
        ids = {lease.partition(b"\0")[2] for lease in leases}
        users = [User(user_id.decode(), named.get(user_id, user_id).decode()) for user_id in ids]
        return sorted(users, key=lambda user: (user.name.casefold(), user.id))


def _lease(node: str, user_id: str) -> str:
    return f"{node}\0{user_id}"
