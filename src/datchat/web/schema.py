"""The API's values, in and out. The OpenAPI document is made from these."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from datchat.chat.model import Receipt, Room, RoomStanding, User
from datchat.chat.wire import MAX_TEXT, AgeField, NonceField, OffsetField, RoomField
from datchat.node.directory import room_fields
from datchat.web.people import EMAIL_PATTERN, MAX_EMAIL, MAX_NAME, MAX_PASSWORD, MIN_PASSWORD

MAX_TITLE = 80
"""Characters of a room's title."""


def _told(description: str, **rules: Any) -> Meta:
    """A rule that the document tells and that code of ours enforces, with a better sentence than a pattern has."""
    return Meta(description=description, extra_json_schema=rules)


Email = Annotated[str, _told("An e-mail address.", pattern=EMAIL_PATTERN, maxLength=MAX_EMAIL)]
Password = Annotated[str, _told("Any characters.", minLength=MIN_PASSWORD, maxLength=MAX_PASSWORD)]
Name = Annotated[str, _told("Visible characters; trimmed.", maxLength=MAX_NAME)]
Title = Annotated[str, _told("Visible characters; trimmed.", minLength=1, maxLength=MAX_TITLE)]
Text = Annotated[str, _told("Not only white space.", minLength=1, maxLength=MAX_TEXT, pattern=r"\S")]
TimeMs = Annotated[int, Meta(description="Milliseconds since 1970.")]
CursorText = Annotated[str, Meta(description="A place in a room's log, offset:chain.")]


# In


class NewAccount(Struct, kw_only=True):
    email: Email
    password: Password
    name: Name | None = None


class Credentials(Struct, kw_only=True):
    email: str
    password: str


class NewRoom(Struct, kw_only=True):
    id: RoomField
    title: Title
    private: bool = False


class RoomChange(Struct, kw_only=True):
    """Fields that are left out stay as they are."""

    title: Title | None = None
    archived: bool | None = None


class NewMember(Struct, kw_only=True):
    """Exactly one of the two."""

    user: str | None = None
    email: str | None = None


class Seen(Struct, kw_only=True):
    offset: OffsetField


class NewMessage(Struct, kw_only=True):
    nonce: NonceField
    text: Text
    reply_to: OffsetField | None = None
    age_ms: AgeField | None = None


# Out


class Problem(Struct, kw_only=True):
    """Every answer of 400 and above."""

    code: str
    message: str
    field: str | UnsetType = UNSET
    retry_after_ms: int | UnsetType = UNSET


class UserFields(Struct, kw_only=True):
    id: str
    name: str


class Me(Struct, kw_only=True):
    id: str
    name: str
    admin: bool
    csrf_token: str


class SessionFields(Struct, kw_only=True):
    token: Annotated[str, Meta(description="For Authorization: Bearer; the cookie holds the same.")]
    user: UserFields
    expires_at: TimeMs
    csrf_token: str


class RoomFields(Struct, kw_only=True):
    id: str
    title: str
    private: bool
    archived: bool
    created_by: str | None
    created_at: TimeMs
    cursor: CursorText
    read: Annotated[int, Meta(description="Everything up to this offset has been seen.")]
    unread: Annotated[int, Meta(description="Messages of others after that; 100 means 100 or more.")]
    moderator: bool


class ReceiptFields(Struct, kw_only=True):
    room: str
    nonce: str
    offset: int
    cursor: CursorText
    copies: Annotated[int, Meta(description="Servers that hold the entry.")]
    duplicate: Annotated[bool, Meta(description="The nonce had been stored before; this is the first answer.")]


class EntryFields(Struct, kw_only=True):
    type: Literal["entry"]
    room: str
    offset: int
    chain: str
    kind: Literal["message", "edit", "deletion", "reaction"]
    author: UserFields
    at: TimeMs
    nonce: str
    via: Annotated[str, Meta(description="The node that took it.")]
    text: str | UnsetType = UNSET
    reply_to: int | UnsetType = UNSET
    target: int | UnsetType = UNSET
    emoji: str | UnsetType = UNSET
    on: bool | UnsetType = UNSET


class EntriesPage(Struct, kw_only=True):
    """Oldest first. ``more`` says that the log goes on: after the page when asked with ``after``, before it else."""

    entries: list[EntryFields]
    cursor: CursorText
    more: bool
    reset: Annotated[bool, Meta(description="The cursor can't be served: these are the newest, start over from them.")]


class Reaction(Struct, kw_only=True):
    emoji: str
    count: int
    mine: bool
    users: list[str]


class MessageFields(Struct, kw_only=True):
    offset: int
    author: UserFields
    at: TimeMs
    via: str
    nonce: str
    text: str
    reply_to: int | UnsetType = UNSET
    edited_at: TimeMs | UnsetType = UNSET
    deleted: bool
    reactions: list[Reaction]
    replies: int
    revision: Annotated[int, Meta(description="The offset of the last entry that changed it.")]


class ViewFields(Struct, kw_only=True):
    """Messages as they look at the cursor, oldest first; ``more`` says that there are older ones."""

    messages: list[MessageFields]
    cursor: CursorText
    more: bool


class ReadMark(Struct, kw_only=True):
    room: str
    offset: int


class NodeFields(Struct, kw_only=True):
    name: str
    addresses: list[str]
    state: Literal["running", "draining"]


class ServerFields(Struct, kw_only=True):
    address: str
    role: Literal["master", "replica"]


class StoreFields(Struct, kw_only=True):
    state: str
    master: str | None
    copies: int
    since_ms: TimeMs


class ClusterFields(Struct, kw_only=True):
    """What this node knows. An embedded store has no servers and no sentinels."""

    nodes: list[NodeFields]
    servers: list[ServerFields]
    sentinels: list[str]
    last_failover: TimeMs | None
    store: StoreFields


IN = (NewAccount, Credentials, NewRoom, RoomChange, NewMember, Seen, NewMessage)
OUT = (
    Problem,
    Me,
    SessionFields,
    RoomFields,
    ReceiptFields,
    EntriesPage,
    ViewFields,
    ReadMark,
    ClusterFields,
    UserFields,
)


def user(found: User) -> UserFields:
    return UserFields(id=found.id, name=found.name)


def standing(found: RoomStanding, user_id: str, admin: bool) -> RoomFields:
    """A room as one user finds it."""
    room = found.room
    return RoomFields(
        **room_fields(room),
        cursor=str(found.cursor),
        read=found.read,
        unread=found.unread,
        moderator=moderates(room, user_id, admin),
    )


def moderates(room: Room, user_id: str, admin: bool) -> bool:
    """Whether a user may rename and archive a room and delete other people's messages in it."""
    return admin or room.created_by == user_id


def receipt(room: str, nonce: str, found: Receipt) -> ReceiptFields:
    return ReceiptFields(
        room=room,
        nonce=nonce,
        offset=found.cursor.offset,
        cursor=str(found.cursor),
        copies=found.copies,
        duplicate=found.duplicate,
    )
