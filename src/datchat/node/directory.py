"""Which rooms there are and who may enter them, with the facts of recent rooms kept at hand."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import structlog

from datchat.chat.model import CONTROL, ReadMarked, Room, RoomChanged, RoomId, Signal, User
from datchat.errors import BackendError, Forbidden, NotAMember
from datchat.ports import Broker, Rooms

log = structlog.get_logger("datchat.node")

KNOWN_ROOMS = 10_000
"""Rooms whose facts are kept at hand. Overflow policy: the oldest goes."""


class Directory:
    """The rooms as one node knows them. Every change is told to all nodes."""

    def __init__(self, rooms: Rooms, broker: Broker, wall: Callable[[], int]) -> None:
        self._rooms = rooms
        self._broker = broker
        self._wall = wall
        self._known: OrderedDict[RoomId, Room] = OrderedDict()

    def known(self, room: RoomId) -> Room | None:
        """The facts at hand, if they are."""
        return self._known.get(room)

    def forget(self, room: RoomId | None = None) -> None:
        """The facts of a room (of all, when None) may have changed."""
        if room is None:
            self._known.clear()
        else:
            self._known.pop(room, None)

    async def facts(self, room: RoomId) -> Room:
        """
        What is known of a room.

        Raises:
            NoSuchRoom: There is no such room.
        """
        found = self._known.get(room)
        if found is None:
            found = self._known[room] = await self._rooms.get(room)
            if len(self._known) > KNOWN_ROOMS:
                self._known.popitem(last=False)
        return found

    async def enter(self, user: User, room: RoomId) -> Room:
        """
        Check that a user may see and write into a room. Being an admin opens no private room.

        Raises:
            NoSuchRoom: There is no such room.
            NotAMember: It is private and the user does not belong to it.
        """
        facts = await self.facts(room)
        if facts.private and user.id not in await self._rooms.members(room, [user.id]):
            raise NotAMember(f"{room} is private, and you are no member")
        return facts

    async def create_room(self, user: User, room: RoomId, title: str, private: bool) -> Room:
        """
        Raises:
            Taken: A room has this id.
        """
        created = Room(id=room, title=title, private=private, created_by=user.id, created_at=self._wall())
        await self._rooms.create(created)
        await tell_nodes(self._broker, RoomChanged("created", created))
        return created

    async def update_room(
        self,
        user: User,
        room: RoomId,
        *,
        title: str | None = None,
        archived: bool | None = None,
        admin: bool = False,
    ) -> Room:
        """
        Rename or archive a room.

        Raises:
            NoSuchRoom, NotAMember: As for ``enter``.
            Forbidden: The user is no moderator of it, or it is the lobby that is to be archived.
        """
        before = await self._moderate(user, room, admin)
        if archived and before.created_by is None:
            raise Forbidden("the lobby stays open")
        after = Room(
            id=room,
            title=before.title if title is None else title,
            private=before.private,
            archived=before.archived if archived is None else archived,
            created_by=before.created_by,
            created_at=before.created_at,
        )
        if after != before:
            await self._rooms.update(after)
            self._known.pop(room, None)
            change = "archived" if after.archived and not before.archived else "renamed"
            await tell_nodes(self._broker, RoomChanged(change, after))
        return after

    async def add_member(self, user: User, room: RoomId, member_id: str) -> None:
        """
        Let somebody into a private room. Any member may.

        Raises:
            NoSuchRoom, NotAMember: As for ``enter``.
        """
        facts = await self.enter(user, room)
        await self._rooms.add_member(room, member_id)
        await tell_nodes(self._broker, RoomChanged("member_added", facts, member_id))

    async def remove_member(self, user: User, room: RoomId, member_id: str, *, admin: bool = False) -> None:
        """
        Take somebody out of a private room: oneself, or anybody as its moderator. Their sockets leave it at once.

        Raises:
            NoSuchRoom, NotAMember: As for ``enter``.
            Forbidden: Somebody else, and the user is no moderator.
        """
        facts = await (self.enter(user, room) if member_id == user.id else self._moderate(user, room, admin))
        await self._rooms.remove_member(room, member_id)
        await tell_nodes(self._broker, RoomChanged("member_removed", facts, member_id))

    async def _moderate(self, user: User, room: RoomId, admin: bool) -> Room:
        facts = await self.enter(user, room)
        if not admin and facts.created_by != user.id:
            raise Forbidden("only the room's moderator may do this")
        return facts

    async def mark_read(self, user: User, room: RoomId, offset: int) -> int:
        """
        Move the user's marker forward and tell their connections; returns where it stands then.

        Raises:
            NoSuchRoom, NotAMember: As for ``enter``.
        """
        await self.enter(user, room)
        marked = await self._rooms.mark_read(user.id, room, offset)
        await tell_nodes(self._broker, ReadMarked(user.id, room, marked))
        return marked


async def tell_nodes(broker: Broker, signal: Signal) -> None:
    """
    Tell every node of something that has been done. A store that fails just then makes it no less done: the signal is
    lost, as signals may be, and whoever asked for the deed is not told that it failed.
    """
    try:
        await broker.signal(CONTROL, signal)
    except BackendError as error:
        log.warning("nodes were not told", signal=type(signal).__name__, reason=str(error))


def room_fields(room: Room) -> dict[str, Any]:
    """A room as pushes and the API show it."""
    return {
        "id": room.id,
        "title": room.title,
        "private": room.private,
        "archived": room.archived,
        "created_by": room.created_by,
        "created_at": room.created_at,
    }
