"""Reading a room's log and its messages. Everything read is proved to be safe before it is given (``Store.read``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from datchat.backends.redis import keys, scripts
from datchat.backends.redis.store import Store
from datchat.chat import rules, timeline
from datchat.chat.model import START, Content, Cursor, Entry, Message, Page, RoomId, View
from datchat.errors import CursorLost, Unavailable

_ENDLESS = 2**53
_contents = msgspec.json.Decoder(Content)


async def read(store: Store, room: RoomId, after: Cursor, limit: int) -> Page:
    def parse(replies: list[Any]) -> Page:
        found = _there(room, replies[0])
        if found[0] == 0:
            raise CursorLost(f"the log of {room} has no entry {after}")
        top = int(found[1])
        entries = [_entry(room, fields) for fields in found[3]]
        _check(room, entries, after.offset, min(top, after.offset + limit))
        cursor = entries[-1].cursor if entries else after
        return Page(entries, cursor, more=cursor.offset < top)

    if after.offset > _ENDLESS:
        raise CursorLost(f"the log of {room} has no entry {after}")
    place = [keys.room(room), keys.log(room)]
    return await store.read([scripts.READ(place, after.offset, after.chain, limit)], parse)


async def before(store: Store, room: RoomId, offset: int | None, limit: int) -> Page:
    def parse(replies: list[Any]) -> Page:
        _, after, last, found = _there(room, replies[0])
        entries = [_entry(room, fields) for fields in found]
        _check(room, entries, int(after), int(last))
        return Page(entries, entries[-1].cursor if entries else START, more=int(after) > 0 and bool(entries))

    place = [keys.room(room), keys.log(room)]
    return await store.read([scripts.BEFORE(place, _bound(offset), limit)], parse)


async def view(store: Store, room: RoomId, before: int | None, limit: int) -> View:
    def parse(replies: list[Any]) -> View:
        top, chain, more, found = _there(room, replies[0])
        messages = [_message(room, *fields) for fields in found]
        return View(messages, Cursor(int(top), chain.decode()), more=bool(more))

    place = [keys.room(room), keys.log(room), keys.messages(room), keys.changes(room)]
    return await store.read([scripts.VIEW(place, _bound(before), limit)], parse)


async def top(store: Store, room: RoomId) -> Cursor:
    return await store.read([("HMGET", keys.room(room), "top", "chain")], lambda replies: _cursor(room, replies[0]))


async def scan(store: Store, room: RoomId, after: int, limit: int) -> Sequence[Entry]:
    def parse(replies: list[Any]) -> Sequence[Entry]:
        _cursor(room, replies[0])
        return [_entry(room, fields) for fields in replies[1]]

    ask = ("HMGET", keys.room(room), "top", "chain")
    return await store.read([ask, ("XRANGE", keys.log(room), f"{after + 1}-0", "+", "COUNT", limit)], parse)


async def heads(store: Store, rooms: Sequence[RoomId]) -> dict[RoomId, Cursor]:
    """The top of each room's log; rooms that are none are left out."""

    def parse(replies: list[Any]) -> dict[RoomId, Cursor]:
        return {room: _cursor(room, reply) for room, reply in zip(rooms, replies, strict=True) if reply[0] is not None}

    return await store.read([("HMGET", keys.room(room), "top", "chain") for room in rooms], parse)


async def chains(store: Store, cursors: dict[RoomId, Cursor]) -> dict[RoomId, str | None]:
    """The chain that each log has at an offset, None where it has no such entry."""

    def parse(replies: list[Any]) -> dict[RoomId, str | None]:
        return {
            room: _entry(room, reply[0]).chain if reply else None for room, reply in zip(cursors, replies, strict=True)
        }

    ids = {room: f"{cursor.offset}-0" for room, cursor in cursors.items()}
    return await store.read([("XRANGE", keys.log(room), at, at) for room, at in ids.items()], parse)


def _there(room: RoomId, reply: Any) -> Any:
    if reply is None:
        raise rules.no_such_room(room)
    return reply


def _cursor(room: RoomId, reply: Sequence[Any]) -> Cursor:
    if reply[0] is None:
        raise rules.no_such_room(room)
    return Cursor(int(reply[0]), reply[1].decode())


def _bound(offset: int | None) -> int:
    return _ENDLESS if offset is None else min(offset, _ENDLESS)


def _entry(room: RoomId, found: Sequence[Any]) -> Entry:
    """An entry of a stream: id, then ``c``, chain, ``b``, body, and maybe more."""
    entry_id, fields = found
    return Entry(room, int(entry_id.partition(b"-")[0]), fields[1].decode(), fields[3])


def _message(
    room: RoomId, offset: bytes, own: bytes, edit: bytes, deleted: int, replies: int, revision: bytes, on: list[bytes]
) -> Message:
    if not own:
        raise Unavailable(f"the log of {room} has no entry {int(offset)}: restore it from a backup")
    changes = timeline.Sum(
        edit=_contents.decode(edit) if edit else None,
        deleted=bool(deleted),
        reactions=[_reaction(reaction) for reaction in on],
        replies=replies,
        revision=int(revision),
    )
    return timeline.fold(int(offset), _contents.decode(own), changes)


def _reaction(member: bytes) -> tuple[str, str]:
    # An emoji has no white space.
    emoji, _, user = member.decode().partition(" ")
    return emoji, user


def _check(room: RoomId, entries: Sequence[Entry], after: int, last: int) -> None:
    """None left out is promised: a log with a hole is not served as if it were whole."""
    if len(entries) != max(0, last - after) or (entries and entries[-1].offset != last):
        raise Unavailable(f"the log of {room} has a hole between {after} and {last + 1}: restore it from a backup")
