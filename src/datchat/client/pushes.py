"""
What the server says, as typed values. Pure; read once, with msgspec's tagged structs.

``entry`` pushes, the bulk of what comes, are not read here but by ``wire.parse_entry``, which keeps the stored bytes
that the chain runs over.
"""

from __future__ import annotations

from typing import Final

import msgspec

from datchat.chat.model import Cursor, RoomId, User
from datchat.chat.wire import IdField

ENTRY_HEAD: Final = b'{"type":"entry",'
"""How every ``entry`` push begins."""


class NodeName(msgspec.Struct, frozen=True):
    """The node that holds the socket."""

    name: str
    addresses: tuple[str, ...] = ()


class StoreNews(msgspec.Struct, frozen=True, tag="store", tag_field="type"):
    """How the server's store is: ``ok``, ``failing_over`` or ``degraded``."""

    state: str
    master: str | None = None
    copies: int | None = None
    since_ms: int | None = None


class HelloLimits(msgspec.Struct, frozen=True):
    text: int = 4000
    frame: int = 65536


class HelloStore(msgspec.Struct, frozen=True):
    state: str = "ok"
    master: str | None = None
    copies: int | None = None
    since_ms: int | None = None


class Hello(msgspec.Struct, frozen=True, tag="hello", tag_field="type"):
    """The first frame of every connection."""

    protocol: int
    node: NodeName
    user: User
    ping_s: float
    limits: HelloLimits = HelloLimits()
    store: HelloStore = HelloStore()


class Joined(msgspec.Struct, frozen=True, tag="joined", tag_field="type"):
    """The answer to ``join``."""

    room: RoomId
    entries: list[msgspec.Raw]
    cursor: str
    more: bool
    reset: bool
    members: list[User]
    count: int
    id: IdField = None


class Stored(msgspec.Struct, frozen=True, tag="stored", tag_field="type"):
    """The acknowledgement: the entry is safe, at ``offset``."""

    room: RoomId
    nonce: str
    offset: int
    cursor: str
    copies: int
    duplicate: bool
    id: IdField = None

    @property
    def place(self) -> Cursor:
        return Cursor.parse(self.cursor)


class RefusedPush(msgspec.Struct, frozen=True, tag="refused", tag_field="type"):
    """A command was not carried out."""

    code: str
    message: str
    retry: bool
    retry_after_ms: int | None = None
    id: IdField = None


class Left(msgspec.Struct, frozen=True, tag="left", tag_field="type"):
    """Not in the room any more: as asked, or put out of it (then without ``id``)."""

    room: RoomId
    id: IdField = None


class Pong(msgspec.Struct, frozen=True, tag="pong", tag_field="type"):
    id: IdField = None


class TypingNews(msgspec.Struct, frozen=True, tag="typing", tag_field="type"):
    """Somebody is typing."""

    room: RoomId
    user: User


class RosterNews(msgspec.Struct, frozen=True, tag="roster", tag_field="type"):
    """Who came and left; above 100 present, the count alone."""

    room: RoomId
    count: int
    joined: list[User] = []
    left: list[User] = []


class RoomFields(msgspec.Struct, frozen=True):
    """A room as ``room`` pushes describe it; further fields are ignored."""

    id: RoomId
    title: str
    private: bool = False
    archived: bool = False
    created_by: str | None = None


class RoomNews(msgspec.Struct, frozen=True, tag="room", tag_field="type"):
    """A room was created, renamed, archived, or has another member (then ``user`` is whose id)."""

    change: str
    room: RoomFields
    user: str | None = None


class ReadNews(msgspec.Struct, frozen=True, tag="read", tag_field="type"):
    """One's own marker has moved, by another of one's connections."""

    room: RoomId
    offset: int


class Bye(msgspec.Struct, frozen=True, tag="bye", tag_field="type"):
    """The server is about to close."""

    reason: str
    retry_after_ms: int | None = None


Push = (
    Hello
    | Joined
    | Stored
    | RefusedPush
    | Left
    | Pong
    | TypingNews
    | RosterNews
    | RoomNews
    | ReadNews
    | StoreNews
    | Bye
)

News = TypingNews | RosterNews | RoomNews | ReadNews | StoreNews | RefusedPush
"""What is told in passing. A ``RefusedPush`` is here when it answers nothing that waits, as of ``read``."""


class _Typed(msgspec.Struct):
    type: str


_KNOWN: Final = {
    "hello", "joined", "stored", "refused", "left", "pong", "typing", "roster", "room", "read", "store", "bye"
}  # fmt: skip
_pushes = msgspec.json.Decoder(Push)
_typed = msgspec.json.Decoder(_Typed)


def decode_push(frame: bytes) -> Push | None:
    """
    Read any push but ``entry``; None for a type that this version doesn't know, which a client ignores.

    Raises:
        ValueError: It is no push of this protocol.
    """
    try:
        push: Push = _pushes.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if isinstance(error, msgspec.ValidationError) and _type(frame) not in _KNOWN:
            return None
        raise ValueError(f"not a push: {error}") from error
    return push


def _type(frame: bytes) -> str:
    try:
        return _typed.decode(frame).type
    except msgspec.DecodeError as error:
        raise ValueError(f"not a push: {error}") from error
