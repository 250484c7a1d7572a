"""The Rooms port on SQLite."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from sqlite3 import Connection
from typing import Any

import msgspec

from datchat.backends.names import room_order
from datchat.backends.sqlite.readers import Readers
from datchat.backends.sqlite.writer import Writer
from datchat.chat import rules
from datchat.chat.model import Cursor, Room, RoomId, RoomStanding
from datchat.errors import Taken
from datchat.ports import MOST_UNREAD

_COLUMNS = "id, title, private, archived, created_by, created_at"


class SqliteRooms:
    """Serves the Rooms port."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._act = writer.act
        self._read = readers.read

    async def create(self, room: Room) -> None:
        await self._act(lambda connection: _create(connection, room))

    async def get(self, room: RoomId) -> Room:
        def query(connection: Connection) -> Room:
            found = connection.execute(f"SELECT {_COLUMNS} FROM rooms WHERE id = ?", (room,)).fetchone()
            if found is None:
                raise rules.no_such_room(room)
            return _room(found)

        return await self._read(query)

    async def all(self) -> Sequence[Room]:
        return await self._read(
            lambda connection: [
                _room(row) for row in connection.execute(f"SELECT {_COLUMNS} FROM rooms ORDER BY number").fetchall()
            ]
        )

    async def update(self, room: Room) -> None:
        def act(connection: Connection) -> None:
            changes = (room.title, room.archived, _number(connection, room.id))
            connection.execute("UPDATE rooms SET title = ?, archived = ? WHERE number = ?", changes)

        await self._act(act)

    async def standings(self, user_id: str) -> Sequence[RoomStanding]:
        found = await self._read(lambda connection: _standings(connection, user_id))
        return sorted(found, key=lambda standing: room_order(standing.room))

    async def add_member(self, room: RoomId, user_id: str) -> None:
        await self._act(lambda connection: _add_member(connection, room, user_id))

    async def remove_member(self, room: RoomId, user_id: str) -> None:
        def act(connection: Connection) -> None:
            member = (_number(connection, room), user_id)
            connection.execute("DELETE FROM members WHERE room = ? AND user = ?", member)

        await self._act(act)

    async def members(self, room: RoomId, among: Collection[str]) -> set[str]:
        def query(connection: Connection) -> set[str]:
            select = "SELECT user FROM members WHERE room = ? AND user IN (SELECT value FROM json_each(?))"
            return {user for (user,) in connection.execute(select, (_number(connection, room), asked))}

        asked = msgspec.json.encode(list(among)).decode()
        return await self._read(query)

    async def mark_read(self, user_id: str, room: RoomId, offset: int) -> int:
        return await self._act(lambda connection: _mark(connection, user_id, _number(connection, room), offset))


def _create(connection: Connection, room: Room) -> None:
    if connection.execute("SELECT 1 FROM rooms WHERE id = ?", (room.id,)).fetchone() is not None:
        raise Taken(f"there is a room {room.id} already")
    row = (room.id, room.title, room.private, room.archived, room.created_by, room.created_at)
    number = connection.execute(f"INSERT INTO rooms ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", row).lastrowid
    if room.private and room.created_by is not None:
        connection.execute("INSERT INTO members (room, user) VALUES (?, ?)", (number, room.created_by))


def _number(connection: Connection, room: RoomId) -> int:
    found = connection.execute("SELECT number FROM rooms WHERE id = ?", (room,)).fetchone()
    if found is None:
        raise rules.no_such_room(room)
    number: int = found[0]
    return number


def _add_member(connection: Connection, room: RoomId, user_id: str) -> None:
    number = _number(connection, room)
    added = connection.execute("INSERT OR IGNORE INTO members (room, user) VALUES (?, ?)", (number, user_id))
    if added.rowcount:
        _mark(connection, user_id, number, None)


def _mark(connection: Connection, user_id: str, number: int, offset: int | None) -> int:
    """Move a marker forward to ``offset`` (to the top, when None), at most to the top."""
    (top,) = connection.execute("SELECT top FROM rooms WHERE number = ?", (number,)).fetchone()
    moved = connection.execute(
        "INSERT INTO markers (user, room, offset) VALUES (?, ?, ?) "
        "ON CONFLICT DO UPDATE SET offset = max(offset, excluded.offset) RETURNING offset",
        (user_id, number, top if offset is None else min(offset, top)),
    ).fetchone()
    marker: int = moved[0]
    return marker


def _standings(connection: Connection, user_id: str) -> list[RoomStanding]:
    # Unread is what others wrote in all, less what they wrote up to the marker: each number stands with a message.
    query = """
        SELECT r.id, title, private, archived, created_by, created_at, top, chain, coalesce(k.offset, 0),
            messages - coalesce((
                SELECT ordinal FROM messages m WHERE m.room = r.number AND m.offset <= coalesce(k.offset, 0)
                ORDER BY m.offset DESC LIMIT 1
            ), 0) - coalesce((
                SELECT own FROM messages m WHERE m.room = r.number AND m.author = :user
                ORDER BY m.offset DESC LIMIT 1
            ), 0) + coalesce((
                SELECT own FROM messages m WHERE m.room = r.number AND m.author = :user
                    AND m.offset <= coalesce(k.offset, 0)
                ORDER BY m.offset DESC LIMIT 1
            ), 0)
        FROM rooms r LEFT JOIN markers k ON k.room = r.number AND k.user = :user
        WHERE NOT private OR EXISTS (SELECT 1 FROM members WHERE room = r.number AND user = :user)
    """
    return [
        RoomStanding(room=_room(row[:6]), cursor=Cursor(row[6], row[7]), read=row[8], unread=min(row[9], MOST_UNREAD))
        for row in connection.execute(query, {"user": user_id}).fetchall()
    ]


def _room(row: tuple[Any, ...]) -> Room:
    room, title, private, archived, created_by, created_at = row
    return Room(
        id=room,
        title=title,
        private=bool(private),
        archived=bool(archived),
        created_by=created_by,
        created_at=created_at,
    )
