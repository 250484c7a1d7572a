"""
The client's half of the gap rule: what has been seen of a room, and what of that which comes follows it. Pure.

The next offset is taken, a lower one is a repeat and dropped, a higher one means that something is missing: the room
is joined again from the cursor. Every entry's chain has to follow from the one before.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from datchat.chat.chain import extend
from datchat.chat.model import START, Cursor, Entry, RoomId
from datchat.client.errors import Diverged


class Step(Enum):
    """What to do with an entry that was pushed."""

    NEXT = "take it"
    REPEAT = "drop it"
    GAP = "join again from the cursor"


class Resume:
    """
    How far a room has been seen. ``cursor`` is None until the first ``joined`` without one.
    """

    __slots__ = ("cursor", "room")

    def __init__(self, room: RoomId, cursor: Cursor | None = None) -> None:
        self.room = room
        self.cursor = cursor

    def push(self, entry: Entry) -> Step:
        """
        Judge an ``entry`` push; NEXT moves the cursor.

        Raises:
            Diverged: It claims a place that its chain contradicts. The cursor stays.
        """
        cursor = self.cursor
        if cursor is None or entry.offset > cursor.offset + 1:
            return Step.GAP
        if entry.offset <= cursor.offset:
            if entry.offset == cursor.offset and entry.chain != cursor.chain:
                raise Diverged(self.room, cursor, f"offset {entry.offset} was told again with chain {entry.chain}")
            return Step.REPEAT
        self._follow(cursor, entry)
        return Step.NEXT

    def joined(self, entries: Sequence[Entry], cursor: Cursor, reset: bool) -> list[Entry]:
        """
        Judge a ``joined``; returns what of it is new, and moves the cursor behind that.

        After a ``reset``, and without a cursor, the first entry is taken at its word unless it is offset 1: nothing
        is known of what came before it.

        Raises:
            Diverged: The entries don't follow the cursor or each other, or end elsewhere than the answer says.
        """
        if reset or self.cursor is None:
            self.cursor = _before(entries[0]) if entries else cursor
        seen = self.cursor
        fresh = [entry for entry in entries if entry.offset > seen.offset]
        for entry in fresh:
            if entry.offset != self.cursor.offset + 1:
                raise Diverged(self.room, self.cursor, f"offset {entry.offset} was told next")
            self._follow(self.cursor, entry)
        if cursor.offset > self.cursor.offset or (cursor.offset == self.cursor.offset and cursor != self.cursor):
            raise Diverged(self.room, self.cursor, f"joined ends at {cursor}")
        return fresh

    def _follow(self, cursor: Cursor, entry: Entry) -> None:
        if cursor.chain != _UNKNOWN:
            chain = extend(cursor.chain, entry.body)
            if chain != entry.chain:
                raise Diverged(
                    self.room, cursor, f"offset {entry.offset} has chain {entry.chain}, its content gives {chain}"
                )
        self.cursor = entry.cursor


_UNKNOWN = ""


def _before(entry: Entry) -> Cursor:
    return START if entry.offset == 1 else Cursor(entry.offset - 1, _UNKNOWN)
