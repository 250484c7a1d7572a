"""
What a chat is made of. Values only: no clock, no I/O, no asyncio.

Offsets count 1, 2, 3… in each room; a cursor is an offset with the chain of the entry that stands there.
Times are milliseconds since 1970 (UTC).
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple, NewType

import msgspec

RoomId = NewType("RoomId", str)
"""1 to 64 characters of ``[a-z0-9-]``, starting with a letter or digit."""

LOBBY = RoomId("lobby")
"""The room that every log has from the start."""

CONTROL = "@control"
"""The topic of signals that concern every node. No room id can be equal to it."""

GENESIS = "0" * 16
"""The chain before the first entry."""

_CURSOR = re.compile(r"(0|[1-9][0-9]{0,15}):([0-9a-f]{16})", re.ASCII)


class User(msgspec.Struct, frozen=True):
    """Who speaks. The id is for good; the name is what is shown."""

    id: str
    name: str


class Cursor(NamedTuple):
    """
    A place in a room's log.

    The chain is the first 16 hex digits of SHA-1 over the previous entry's chain followed by the entry's stored
    bytes: two logs that agree on a cursor agree on everything before it.
    """

    offset: int
    chain: str

    def __str__(self) -> str:
        return f"{self.offset}:{self.chain}"

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """
        Read ``offset:chain``.

        Raises:
            ValueError: It is not of that form.
        """
        match = _CURSOR.fullmatch(text)
        if match is None:
            raise ValueError("a cursor looks like 42:9f0c2d1e5a7b3c48")
        return cls(int(match[1]), match[2])


START = Cursor(0, GENESIS)
"""The cursor before the first entry of any room."""


class Kind(StrEnum):
    """What an entry does to the room."""

    MESSAGE = "message"
    EDIT = "edit"
    DELETION = "deletion"
    REACTION = "reaction"


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """
    An entry before it has a place in the log.

    ``moderator`` says that the author may delete other people's messages in this room. It is judged with the draft
    and not stored.
    """

    room: RoomId
    kind: Kind
    author: User
    nonce: str
    at: int
    via: str
    text: str | None = None
    reply_to: int | None = None
    target: int | None = None
    emoji: str | None = None
    on: bool | None = None
    moderator: bool = False


class Content(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    What the stored bytes of an entry say: a draft without its room.

    The field order is the order of the stored bytes; both are for good, since the chain runs over them.
    """

    kind: Kind
    author: User
    at: int
    nonce: str
    via: str
    text: str | None = None
    reply_to: int | None = None
    target: int | None = None
    emoji: str | None = None
    on: bool | None = None


class Entry(msgspec.Struct, frozen=True):
    """A stored line of a room's log. ``body`` are its stored bytes: the JSON of a ``Content``."""

    room: RoomId
    offset: int
    chain: str
    body: bytes

    @property
    def cursor(self) -> Cursor:
        return Cursor(self.offset, self.chain)


class Receipt(msgspec.Struct, frozen=True):
    """What an append answers, once the entry is safe (guarantees.md)."""

    cursor: Cursor
    copies: int
    """How many servers hold the entry; 1 with the embedded store."""
    duplicate: bool
    """The nonce had been stored before; the cursor is that of the first time."""


class Page(msgspec.Struct, frozen=True):
    """A stretch of a log, oldest first."""

    entries: list[Entry]
    cursor: Cursor
    """The last entry's; of an empty page, the place that was read from."""
    more: bool
    """The log goes on in the direction that was read."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message as it looks at some cursor: its entry with all edits, reactions and its deletion folded in."""

    offset: int
    author: User
    at: int
    via: str
    nonce: str
    text: str
    """Empty when deleted."""
    reply_to: int | None = None
    edited_at: int | None = None
    deleted: bool = False
    reactions: dict[str, tuple[str, ...]] = {}
    """Emoji to the ids of the users who have it on; both sorted, so that the order tells nothing of detours."""
    replies: int = 0
    revision: int
    """The offset of the last entry that changed it: an entry applies only when its own offset is higher."""


class View(msgspec.Struct, frozen=True):
    """A page of messages as they look at ``cursor``, oldest first."""

    messages: list[Message]
    cursor: Cursor
    more: bool
    """Older messages exist."""


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a room besides its log. Its creator is its moderator."""

    id: RoomId
    title: str
    private: bool = False
    archived: bool = False
    created_by: str | None = None
    created_at: int = 0


class RoomStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A room as one user finds it."""

    room: Room
    cursor: Cursor
    """The top of its log."""
    read: int
    """The user's marker: everything up to this offset has been seen."""
    unread: int
    """Messages of others after the marker, 100 at most (meaning: 100 or more)."""


class StoreState(msgspec.Struct, frozen=True, kw_only=True):
    """How the store is, as the ``store`` push and the banner say it."""

    state: str = "ok"
    """``ok``, ``failing_over`` or ``degraded``."""
    master: str | None = None
    copies: int = 1
    since_ms: int = 0


# Signals: ephemeral, told to whoever is there and kept nowhere.


class Typing(msgspec.Struct, frozen=True, tag=True):
    """``user`` is typing in the topic's room."""

    user: User


class RosterChanged(msgspec.Struct, frozen=True, tag=True):
    """Somebody came to or left the topic's room: read its roster again."""


class RoomChanged(msgspec.Struct, frozen=True, tag=True):
    """A room was created, renamed, archived, or has a new member (then ``user_id``)."""

    change: str
    room: Room
    user_id: str | None = None


class ReadMarked(msgspec.Struct, frozen=True, tag=True):
    """A user has seen ``room`` up to ``offset``."""

    user_id: str
    room: RoomId
    offset: int


class SessionEnded(msgspec.Struct, frozen=True, tag=True):
    """The session is dead; its sockets are to be closed."""

    session_id: str


class Canary(msgspec.Struct, frozen=True, tag=True):
    """A node's word to itself through the feed: hearing it proves that the node is not deaf."""

    node: str
    number: int


Signal = Typing | RosterChanged | RoomChanged | ReadMarked | SessionEnded | Canary


class Notice(msgspec.Struct, frozen=True):
    """A signal on its topic: a room's id or ``CONTROL``."""

    topic: str
    signal: Signal


class Interrupted(msgspec.Struct, frozen=True):
    """The feed may have missed something: rooms have to be read from their cursors, the store's state asked for."""

    reason: str


Event = Entry | Notice | Interrupted | StoreState
