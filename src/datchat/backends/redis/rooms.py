"""The Rooms port on Redis. Every answer is as safe as an entry of a log (``Store``)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from datchat.backends.names import room_order
from datchat.backends.redis import keys, scripts
from datchat.backends.redis.link import Command
from datchat.backends.redis.store import Store
from datchat.chat import rules
from datchat.chat.model import GENESIS, Cursor, Room, RoomId, RoomStanding
from datchat.errors import Taken
from datchat.ports import MOST_UNREAD

_FACTS = ("id", "title", "private", "archived", "created_by", "created_at")
_AT_ONCE = 500


class RedisRooms:
    """Serves the Rooms port."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(self, room: Room) -> None:
        facts = (room.id, room.title, int(room.private), int(room.archived), room.created_by or "", room.created_at)
        places = [keys.room(room.id), keys.members(room.id)]
        create = scripts.CREATE_ROOM(places, self._store.attempt(), *facts, GENESIS)

        def read(replies: list[Any]) -> None:
            if replies[0] == 0:
                raise Taken(f"there is a room {room.id} already")

        await self._store.act([create, scripts.LIST_ROOM([keys.ROOMS], room.id)], read)

    async def get(self, room: RoomId) -> Room:
        return await self._store.read([_facts(room)], lambda replies: _there(room, _room(replies[0])))

    async def all(self) -> Sequence[Room]:
        return await self._each(_facts, _room)

    async def update(self, room: Room) -> None:
        update = scripts.UPDATE_ROOM([keys.room(room.id)], room.title, int(room.archived))
        await self._store.act([update], lambda replies: _there(room.id, replies[0] or None))

    async def standings(self, user_id: str) -> Sequence[RoomStanding]:
        def ask(room: RoomId) -> Command:
            places = [keys.room(room), keys.messages(room), keys.members(room), keys.markers(room)]
            return scripts.STANDING(places, user_id)

        return sorted(await self._each(ask, _standing), key=lambda standing: room_order(standing.room))

    async def add_member(self, room: RoomId, user_id: str) -> None:
        places = [keys.room(room), keys.members(room), keys.markers(room)]
        add = scripts.ADD_MEMBER(places, user_id)
        await self._store.act([add], lambda replies: _there(room, replies[0] or None))

    async def remove_member(self, room: RoomId, user_id: str) -> None:
        commands: list[Command] = [("EXISTS", keys.room(room)), ("SREM", keys.members(room), user_id)]
        await self._store.act(commands, lambda replies: _there(room, replies[0] or None))

    async def members(self, room: RoomId, among: Collection[str]) -> set[str]:
        def parse(replies: list[Any]) -> set[str]:
            _there(room, replies[0] or None)
            return {user_id for user_id, found in zip(asked, replies[1] if asked else (), strict=True) if found}

        asked = list(among)
        commands: list[Command] = [("EXISTS", keys.room(room))]
        if asked:
            commands.append(("SMISMEMBER", keys.members(room), *asked))
        return await self._store.read(commands, parse)

    async def mark_read(self, user_id: str, room: RoomId, offset: int) -> int:
        mark = scripts.MARK([keys.room(room), keys.markers(room)], user_id, offset, "0")
        return await self._store.act([mark], lambda replies: int(_there(room, replies[0])))

    async def _each(self, ask: Callable[[RoomId], Command], parse: Callable[[Any], Any]) -> Sequence[Any]:
        """What each room answers, in the order in which they were created; nothing of those that answer with None."""
        ids = await self._store.read([("ZRANGE", keys.ROOMS, 0, -1)], lambda replies: replies[0])
        rooms = [RoomId(room.decode()) for room in ids]
        found: list[Any] = []
        for first in range(0, len(rooms), _AT_ONCE):
            commands = [ask(room) for room in rooms[first : first + _AT_ONCE]]
            part = await self._store.read(commands, lambda replies: [*map(parse, replies)])
            found += [answer for answer in part if answer is not None]
        return found


def _facts(room: RoomId) -> Command:
    return ("HMGET", keys.room(room), *_FACTS)


def _there(room: RoomId, found: Any) -> Any:
    if found is None:
        raise rules.no_such_room(room)
    return found


def _room(fields: Sequence[bytes]) -> Room | None:
    if fields[0] is None:
        return None
    room, title, private, archived, created_by, created_at = fields
    return Room(
        id=RoomId(room.decode()),
        title=title.decode(),
        private=private == b"1",
        archived=archived == b"1",
        created_by=created_by.decode() or None,
        created_at=int(created_at),
    )


def _standing(fields: Any) -> RoomStanding | None:
    if fields is None:
        return None
    room = _room(fields[:6])
    assert room is not None
    top, chain, read, unread = fields[6:]
    cursor = Cursor(int(top), chain.decode())
    return RoomStanding(room=room, cursor=cursor, read=int(read), unread=min(int(unread), MOST_UNREAD))
