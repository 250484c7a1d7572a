"""A look at what the indexes say against what the logs say. Costs what there is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from datchat.backends.redis import keys
from datchat.backends.redis.store import Store
from datchat.chat.model import Room, RoomId

_PAGE = 1000
_WIDTH = 6


async def inspect(store: Store, rooms: Sequence[Room]) -> list[str]:
    """What is wrong, a sentence each."""
    faults = []
    for room in rooms:
        faults += await _inspect_room(store, room.id)
    emails, names, order = await store.read(
        [("HLEN", keys.EMAILS), ("HLEN", keys.NAMES), ("LLEN", keys.ORDER)], lambda replies: replies
    )
    if not emails == names == order:
        faults.append(f"{order} accounts have {emails} e-mails and {names} names")
    return faults


async def _inspect_room(store: Store, room: RoomId) -> list[str]:
    def facts(replies: list[Any]) -> tuple[int, int, bytes]:
        return int(replies[0]), replies[1], replies[2] or b""

    commands = [("HGET", keys.room(room), "top"), ("XLEN", keys.log(room)), ("GET", keys.messages(room))]
    top, entries, packed = await store.read(commands, facts)
    faults = [] if top == entries else [f"{room}: {entries} entries, but its top is {top}"]
    indexed = [int.from_bytes(packed[at : at + _WIDTH]) for at in range(0, len(packed), _WIDTH)]
    messages: list[int] = []
    after = "-"
    while page := await store.read(
        [("XRANGE", keys.log(room), after, "+", "COUNT", _PAGE)], lambda replies: replies[0]
    ):
        messages += [int(entry_id.partition(b"-")[0]) for entry_id, fields in page if len(fields) > 4]
        after = "(" + page[-1][0].decode()
    # Messages that came while we looked are in the log only.
    if indexed != [offset for offset in messages if offset <= top]:
        faults.append(f"{room}: the index of its messages is not what its log says")
    return faults
