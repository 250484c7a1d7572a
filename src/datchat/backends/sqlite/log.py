"""Queries of a room's log and of its messages. Each runs in a snapshot of its own (``Readers.read``)."""

from __future__ import annotations

from sqlite3 import Connection
from typing import NamedTuple

import msgspec

from datchat.chat import rules, timeline
from datchat.chat.model import START, Content, Cursor, Entry, Message, Page, RoomId, View
from datchat.errors import CursorLost, Unavailable

_ENDLESS = 2**63 - 1
_contents = msgspec.json.Decoder(Content)


class _Place(NamedTuple):
    number: int
    top: Cursor


def top(connection: Connection, room: RoomId) -> Cursor:
    return _find(connection, room).top


def scan(connection: Connection, room: RoomId, after: int, limit: int) -> list[Entry]:
    return _entries(connection, room, _find(connection, room).number, after, limit)


def read(connection: Connection, room: RoomId, after: Cursor, limit: int) -> Page:
    place = _find(connection, room)
    if after != START and after != place.top:
        query = "SELECT chain FROM entries WHERE room = ? AND offset = ?"
        found = connection.execute(query, (place.number, after.offset)).fetchone()
        if found is None or found[0] != after.chain:
            raise CursorLost(f"the log of {room} has no entry {after}")
    last = min(place.top.offset, after.offset + limit)
    entries = _entries(connection, room, place.number, after.offset, last - after.offset)
    _check(room, entries, after.offset, last)
    cursor = entries[-1].cursor if entries else after
    return Page(entries, cursor, more=last < place.top.offset)


def before(connection: Connection, room: RoomId, offset: int | None, limit: int) -> Page:
    place = _find(connection, room)
    last = place.top.offset if offset is None else max(0, min(place.top.offset, offset - 1))
    after = max(0, last - limit)
    entries = _entries(connection, room, place.number, after, last - after)
    _check(room, entries, after, last)
    return Page(entries, entries[-1].cursor if entries else START, more=after > 0)


def view(connection: Connection, room: RoomId, offset: int | None, limit: int) -> View:
    place = _find(connection, room)
    query = """
        SELECT m.offset, m.deleted, m.replies, m.revision, own.body, edit.body
        FROM messages m
        JOIN entries own ON own.room = m.room AND own.offset = m.offset
        LEFT JOIN entries edit ON edit.room = m.room AND edit.offset = m.edit
        WHERE m.room = ? AND m.offset < ? ORDER BY m.offset DESC LIMIT ?
    """
    bound = _ENDLESS if offset is None else min(offset, _ENDLESS)
    found = connection.execute(query, (place.number, bound, limit + 1)).fetchall()
    page = found[limit - 1 :: -1] if len(found) > limit else found[::-1]
    # A page's messages are all that lie between its ends, so a range finds their reactions.
    reactions: dict[int, list[tuple[str, str]]] = {}
    if page:
        query = "SELECT target, emoji, user FROM reactions WHERE room = ? AND target BETWEEN ? AND ?"
        for target, emoji, user in connection.execute(query, (place.number, page[0][0], page[-1][0])).fetchall():
            reactions.setdefault(target, []).append((emoji, user))
    messages = [_message(row, reactions.get(row[0], [])) for row in page]
    return View(messages, place.top, more=len(found) > limit)


def _message(row: tuple[int, int, int, int, bytes, bytes | None], reactions: list[tuple[str, str]]) -> Message:
    offset, deleted, replies, revision, own, edit = row
    changes = timeline.Sum(
        edit=None if edit is None else _contents.decode(edit),
        deleted=bool(deleted),
        reactions=reactions,
        replies=replies,
        revision=revision,
    )
    return timeline.fold(offset, _contents.decode(own), changes)


def _find(connection: Connection, room: RoomId) -> _Place:
    found = connection.execute("SELECT number, top, chain FROM rooms WHERE id = ?", (room,)).fetchone()
    if found is None:
        raise rules.no_such_room(room)
    return _Place(found[0], Cursor(found[1], found[2]))


def _entries(connection: Connection, room: RoomId, number: int, after: int, limit: int) -> list[Entry]:
    # Whoever changes a body by hand mostly leaves text behind: that too is to be found as what it is.
    columns = "offset, chain, CAST(body AS BLOB)"
    query = f"SELECT {columns} FROM entries WHERE room = ? AND offset > ? ORDER BY offset LIMIT ?"
    return [Entry(room, *row) for row in connection.execute(query, (number, after, limit)).fetchall()]


def _check(room: RoomId, entries: list[Entry], after: int, last: int) -> None:
    """None left out is promised: a log with a hole is not served as if it were whole."""
    if len(entries) != last - after or (entries and entries[-1].offset != last):
        raise Unavailable(f"the log of {room} has a hole between {after} and {last + 1}: restore it from a backup")
