"""
The protocol's JSON: commands in, replies and pushes out. Pure.

A message is encoded once: the stored bytes of an entry are its JSON without room, offset and chain, and its frame is
those bytes with a head in front (``entry_json``). The protocol is described in docs/protocol.md.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from datchat.chat.model import Content, Cursor, Draft, Entry, Kind, Message, RoomId, StoreState, User
from datchat.errors import BackendError, BadCommand, ClientError, Empty, RateLimited, TooLarge

PROTOCOL: Final = 1
SUBPROTOCOL: Final = "datchat.1"

MAX_TEXT: Final = 4000
"""Characters of a message."""
MAX_FRAME: Final = 65536
"""Bytes of a client's frame."""
MAX_EMOJI: Final = 32
"""Bytes of a reaction, in UTF-8."""
MAX_JOIN: Final = 500
"""Entries in one ``joined``."""
MAX_NAMED: Final = 100
"""Members named in ``joined`` and ``roster``; above, their count alone is told."""
MAX_NESTING: Final = 32
"""How deep the JSON of a command may nest."""
MAX_OFFSET: Final = 2**53 - 1
"""Offsets stay exact in every JSON reader (RFC 8259, section 6)."""

RoomField = Annotated[RoomId, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,63}\Z")]
NonceField = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}\Z")]
OffsetField = Annotated[int, Meta(ge=1, le=MAX_OFFSET)]
AgeField = Annotated[int, Meta(ge=0, le=MAX_OFFSET)]
CursorField = Annotated[str, Meta(pattern=r"^(0|[1-9][0-9]{0,15}):[0-9a-f]{16}\Z")]
IdField = Annotated[str, Meta(max_length=64)] | int | float | None


class Command(Struct, frozen=True, kw_only=True, tag_field="type"):
    """What a client asks for. ``id`` is echoed in the reply."""

    id: IdField = None


class Join(Command, frozen=True, kw_only=True, tag="join"):
    room: RoomField
    cursor: CursorField | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_JOIN)] = 50


class Leave(Command, frozen=True, kw_only=True, tag="leave"):
    room: RoomField


class Post(Command, frozen=True, kw_only=True, tag="post"):
    room: RoomField
    nonce: NonceField
    text: str
    reply_to: OffsetField | None = None
    age_ms: AgeField | None = None


class Edit(Command, frozen=True, kw_only=True, tag="edit"):
    room: RoomField
    nonce: NonceField
    target: OffsetField
    text: str
    age_ms: AgeField | None = None


class Delete(Command, frozen=True, kw_only=True, tag="delete"):
    room: RoomField
    nonce: NonceField
    target: OffsetField
    age_ms: AgeField | None = None


class React(Command, frozen=True, kw_only=True, tag="react"):
    room: RoomField
    nonce: NonceField
    target: OffsetField
    emoji: str
    on: bool
    age_ms: AgeField | None = None


class Typing(Command, frozen=True, kw_only=True, tag="typing"):
    room: RoomField


class Read(Command, frozen=True, kw_only=True, tag="read"):
    room: RoomField
    offset: OffsetField


class Ping(Command, frozen=True, kw_only=True, tag="ping"):
    pass


Posting = Post | Edit | Delete | React
AnyCommand = Join | Leave | Post | Edit | Delete | React | Typing | Read | Ping


class _Identified(Struct):
    id: IdField = None


_commands = msgspec.json.Decoder(AnyCommand)
_identified = msgspec.json.Decoder(_Identified)
_contents = msgspec.json.Decoder(Content)
_encoder = msgspec.json.Encoder()
encode = _encoder.encode


# Commands


def decode_command(frame: bytes) -> AnyCommand:
    """
    Read one text frame.

    Raises:
        BadCommand: It is no JSON object of a known type with fields of the right form; ``id`` of the command, where
            one could be read, is the exception's ``id``.
        Empty, TooLarge: The text or the emoji is out of its limits.
    """
    try:
        if too_deep(frame):
            raise BadCommand(f"nested deeper than {MAX_NESTING} levels")
        frame.decode()  # msgspec skips unknown fields without a look at their UTF-8
        command: AnyCommand = _commands.decode(frame)
        if isinstance(command, Post | Edit):
            check_text(command.text)
        elif isinstance(command, React):
            check_emoji(command.emoji)
    except ClientError as error:
        error.id = identify(frame)  # type: ignore[attr-defined]
        raise
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        refusal = BadCommand(_reason(error))
        refusal.id = identify(frame)  # type: ignore[attr-defined]
        raise refusal from error
    return command


def identify(frame: bytes) -> IdField:
    """The ``id`` of a command that could not be read otherwise, or None."""
    try:
        return _identified.decode(frame).id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def check_text(text: str) -> None:
    """
    Raises:
        Empty: Nothing but white space.
        TooLarge: More than 4000 characters.
    """
    if len(text) > MAX_TEXT:
        raise TooLarge(f"a message has at most {MAX_TEXT} characters")
    if not text or text.isspace():
        raise Empty("a message has at least one character that is not white space")


def check_emoji(emoji: str) -> None:
    """
    Raises:
        Empty: No emoji.
        TooLarge: More than 32 bytes.
        BadCommand: White space or control characters.
    """
    if not emoji:
        raise Empty("a reaction has an emoji")
    if len(emoji.encode()) > MAX_EMOJI:
        raise TooLarge(f"an emoji has at most {MAX_EMOJI} bytes")
    if not emoji.isprintable() and not _EMOJI_JOINERS.sub("", emoji).isprintable():
        raise BadCommand("an emoji has no control characters")
    if any(character.isspace() for character in emoji):
        raise BadCommand("an emoji has no white space")


# Zero-width joiner, variation selectors and tags build family, flag and keycap emoji; Python calls them unprintable.
_EMOJI_JOINERS = re.compile("[\u200d\ufe0e\ufe0f\U000e0020-\U000e007f]")


def too_deep(text: bytes) -> bool:
    """Whether a JSON text nests deeper than ``MAX_NESTING`` levels. Counting first spares most texts the look."""
    return text.count(b"[") + text.count(b"{") > MAX_NESTING and _nesting(text) > MAX_NESTING


def _nesting(frame: bytes) -> int:
    """How deep the brackets of a JSON text nest, strings left out."""
    deepest = depth = 0
    for token in _BRACKETS.finditer(frame):
        mark = token[0][:1]
        if mark in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif mark in b"]}":
            depth -= 1
    return deepest


# A string that never ends is taken to the end of the frame at once: looking for the end of each quotation mark in it
# again would cost the square of the frame's length.
_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)


def _reason(error: Exception) -> str:
    if isinstance(error, msgspec.ValidationError):
        return str(error)
    return "not valid JSON" if not isinstance(error, RecursionError) else "nested too deep"


# Entries


def stored_bytes(draft: Draft) -> bytes:
    """What the log keeps of a draft: the chain runs over exactly these bytes."""
    return encode(
        Content(
            kind=draft.kind,
            author=draft.author,
            at=draft.at,
            nonce=draft.nonce,
            via=draft.via,
            text=draft.text,
            reply_to=draft.reply_to,
            target=draft.target,
            emoji=draft.emoji,
            on=draft.on,
        )
    )


def content(entry: Entry) -> Content:
    """
    What an entry says.

    Raises:
        msgspec.DecodeError: The stored bytes are damaged.
    """
    return _contents.decode(entry.body)


def entry_json(entry: Entry) -> bytes:
    """The ``entry`` push: a head in front of the stored bytes."""
    head = f'{{"type":"entry","room":"{entry.room}","offset":{entry.offset},"chain":"{entry.chain}",'
    return head.encode() + entry.body[1:]


def parse_entry(push: bytes) -> Entry:
    """
    Read an ``entry`` push back into the entry, stored bytes and all. The inverse of ``entry_json``.

    Raises:
        ValueError: It is no such push.
    """
    match = _ENTRY_HEAD.match(push)
    if match is None:
        raise ValueError("not an entry push of this server")
    return Entry(RoomId(match[1].decode()), int(match[2]), match[3].decode(), b"{" + push[match.end() :])


_ENTRY_HEAD = re.compile(rb'\{"type":"entry","room":"([^"]+)","offset":([0-9]+),"chain":"([0-9a-f]{16})",')


# Replies and pushes


def hello(node: str, addresses: Sequence[str], user: User, ping_s: float, store: StoreState) -> bytes:
    return encode(
        {
            "type": "hello",
            "protocol": PROTOCOL,
            "node": {"name": node, "addresses": list(addresses)},
            "user": user,
            "ping_s": ping_s,
            "limits": {"text": MAX_TEXT, "frame": MAX_FRAME},
            "store": _state(store),
        }
    )


def joined(
    command: Join,
    entries: Iterable[Entry],
    cursor: Cursor,
    *,
    more: bool,
    reset: bool,
    members: Sequence[User],
    count: int,
) -> bytes:
    """The answer to ``join``; ``members`` is cut to the first 100."""
    return encode(
        {
            "type": "joined",
            "id": command.id,
            "room": command.room,
            "entries": [msgspec.Raw(entry_json(entry)) for entry in entries],
            "cursor": str(cursor),
            "more": more,
            "reset": reset,
            "members": list(members[:MAX_NAMED]),
            "count": count,
        }
    )


def left(command: Leave) -> bytes:
    return encode({"type": "left", "id": command.id, "room": command.room})


def pong(command: Ping) -> bytes:
    return encode({"type": "pong", "id": command.id})


def stored(command_id: IdField, room: str, nonce: str, cursor: Cursor, copies: int, duplicate: bool) -> bytes:
    return encode({"type": "stored", "id": command_id, **receipt(room, nonce, cursor, copies, duplicate)})


def receipt(room: str, nonce: str, cursor: Cursor, copies: int, duplicate: bool) -> dict[str, Any]:
    """The fields of an acknowledgement, the same on the socket and over HTTP."""
    return {
        "room": room,
        "nonce": nonce,
        "offset": cursor.offset,
        "cursor": str(cursor),
        "copies": copies,
        "duplicate": duplicate,
    }


def refused(command_id: IdField, error: ClientError | BackendError) -> bytes:
    return encode(
        {
            "type": "refused",
            "id": command_id,
            "code": error.code,
            "message": str(error),
            "retry": error.retry,
            "retry_after_ms": error.retry_after_ms if isinstance(error, RateLimited) else None,
        }
    )


def typing(room: str, user: User) -> bytes:
    return encode({"type": "typing", "room": room, "user": user})


def roster(room: str, count: int, joined: Sequence[User], left: Sequence[User]) -> bytes:
    return encode({"type": "roster", "room": room, "count": count, "joined": list(joined), "left": list(left)})


def room_changed(change: str, room: dict[str, Any], user_id: str | None = None) -> bytes:
    """``change`` is created, renamed, archived, member_added or member_removed (then ``user`` is whose)."""
    push: dict[str, Any] = {"type": "room", "change": change, "room": room}
    return encode(push if user_id is None else {**push, "user": user_id})


def read(room: str, offset: int) -> bytes:
    return encode({"type": "read", "room": room, "offset": offset})


def store(state: StoreState) -> bytes:
    return encode({"type": "store", **_state(state)})


def bye(reason: str, retry_after_ms: int | None) -> bytes:
    return encode({"type": "bye", "reason": reason, "retry_after_ms": retry_after_ms})


def _state(state: StoreState) -> dict[str, Any]:
    return {"state": state.state, "master": state.master, "copies": state.copies, "since_ms": state.since_ms}


# Views


def message_fields(message: Message, viewer: str) -> dict[str, Any]:
    """A message of a view as ``viewer`` (a user's id) sees it."""
    fields: dict[str, Any] = {
        "offset": message.offset,
        "author": message.author,
        "at": message.at,
        "via": message.via,
        "nonce": message.nonce,
        "text": message.text,
    }
    if message.reply_to is not None:
        fields["reply_to"] = message.reply_to
    if message.edited_at is not None:
        fields["edited_at"] = message.edited_at
    fields["deleted"] = message.deleted
    fields["reactions"] = [
        {"emoji": emoji, "count": len(users), "mine": viewer in users, "users": users}
        for emoji, users in message.reactions.items()
    ]
    fields["replies"] = message.replies
    fields["revision"] = message.revision
    return fields


# Frames (RFC 6455, section 5.2): text, final, unmasked, as a server sends them


def text_frame(payload: bytes) -> bytes:
    """One whole text frame. Frames joined end to end can go out in one write."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65536:
        return struct.pack("!BBH", 0x81, 126, size) + payload
    return struct.pack("!BBQ", 0x81, 127, size) + payload


def posting_kind(command: Posting) -> Kind:
    """Which kind of entry a command asks for."""
    return _KINDS[type(command)]


_KINDS: dict[type, Kind] = {Post: Kind.MESSAGE, Edit: Kind.EDIT, Delete: Kind.DELETION, React: Kind.REACTION}
