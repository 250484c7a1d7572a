"""
Who is here: keeps this node's leases in the presence port alive and tells the members of a room who came and left.

Changes are gathered for ``roster_s``, so that a storm of arrivals is one push. A room with more than 100 present gets
the count alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from datchat.chat import wire
from datchat.chat.model import RoomId, RosterChanged, User
from datchat.chat.roster import difference
from datchat.node.hub import Hub, HubRoom
from datchat.ports import Broker, Presence


class Attendance:
    """The rosters of the rooms on one node, as far as they are known here."""

    def __init__(self, node: str, presence: Presence, broker: Broker, hub: Hub, lease_s: float) -> None:
        self._node = node
        self._presence = presence
        self._broker = broker
        self._hub = hub
        self._lease_s = lease_s
        self._told: dict[str, Sequence[User]] = {}
        """The roster that a room's members were last told of."""
        self._leased: dict[str, dict[str, User]] = {}
        self._stirred: set[str] = set()
        self._stale: set[str] = set()

    def stir(self, room: HubRoom) -> None:
        """Connections of this node came or left."""
        self._stirred.add(room.id)

    def stale(self, room: str) -> None:
        """Some node says that the room's roster has changed."""
        self._stale.add(room)

    def present(self, room: HubRoom) -> list[User]:
        """Who is in a room: as last read, with this node's own members as they are now."""
        leased = self._leased.get(room.id, {})
        users = {user.id: user for user in self._told.get(room.id, ()) if user.id not in leased}
        users |= {user_id: user for user_id, (user, _) in room.users.items()}
        return sorted(users.values(), key=lambda user: (user.name.casefold(), user.id))

    async def gather(self) -> None:
        """Lease for those who came, drop those who left, tell each changed roster. To be called every ``roster_s``."""
        stirred, self._stirred = self._stirred, set()
        for room_id in stirred:
            try:
                await self._lease(room_id)
            except BaseException:
                self._stirred |= stirred
                raise
        stale, self._stale = self._stale, set()
        for room_id in stale:
            try:
                await self._tell(room_id)
            except BaseException:
                self._stale |= stale
                raise

    async def renew(self) -> None:
        """Renew every lease, and look for those of dead nodes. To be called every third of ``lease_s``."""
        self._told = {room: told for room, told in self._told.items() if self._hub.get(room) is not None}
        for room in self._hub.rooms():
            if users := self._leased.get(room.id):
                await self._presence.touch(room.id, self._node, users.values(), self._lease_s)
            self._stale.add(room.id)

    async def resign(self) -> None:
        """Drop all leases of this node: it goes."""
        for room_id, users in self._leased.items():
            await self._presence.drop(RoomId(room_id), self._node, users)
            await self._broker.signal(room_id, RosterChanged())
        self._leased.clear()

    async def _lease(self, room_id: str) -> None:
        room = self._hub.get(room_id)
        now = {user_id: user for user_id, (user, _) in room.users.items()} if room else {}
        before = self._leased.get(room_id, {})
        came, went = difference(before.values(), now.values())
        if came:
            await self._presence.touch(RoomId(room_id), self._node, came, self._lease_s)
        if went:
            await self._presence.drop(RoomId(room_id), self._node, [user.id for user in went])
        if now:
            self._leased[room_id] = now
        else:
            self._leased.pop(room_id, None)
        if came or went:
            await self._broker.signal(room_id, RosterChanged())

    async def _tell(self, room_id: str) -> None:
        room = self._hub.get(room_id)
        if room is None:
            self._told.pop(room_id, None)
            return
        present = await self._presence.roster(room.id)
        came, went = difference(self._told.get(room_id, ()), present)
        self._told[room_id] = present
        if not came and not went:
            return
        if len(present) > wire.MAX_NAMED:
            came, went = [], []
        self._hub.push(room, wire.roster(room_id, len(present), came, went))
