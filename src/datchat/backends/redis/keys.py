"""
The names of all keys and channels.

What belongs to a room has the room as its hash tag, what belongs to people the tag ``{people}``: each script touches
keys of one tag only, so that a Redis Cluster can hold them.
"""

from __future__ import annotations

from datchat.chat.model import RoomId

SCHEMA = "datchat:schema"
"""The version of all this; a database without it is not ours."""
BEAT = "datchat:beat"
"""Written with every batch, so that WAIT has something to speak of (``pipeline.py``)."""
CHECK = "datchat:check"
"""Written to prove that writes are taken."""
ROOMS = "datchat:rooms"
"""A sorted set of all rooms' ids, in the order of their creation."""

EMAILS = "datchat:{people}:emails"
NAMES = "datchat:{people}:names"
ORDER = "datchat:{people}:order"
ACCOUNT = "datchat:{people}:account:"
SESSION = "datchat:{people}:session:"
SESSIONS = "datchat:{people}:sessions:"
"""Prefix of the set of an account's sessions."""

_CHANNEL = "datchat:topic:"


def room(room: RoomId) -> str:
    """
    A hash: what is known of the room, ``top`` and ``chain`` of its log. Keys made by scripts follow it: ``:nonce:``,
    ``:own:`` (an author's messages), ``:reactions:`` (of a message).
    """
    return f"datchat:room:{{{room}}}"


def log(room_id: RoomId) -> str:
    """A stream: entry ``<offset>-0`` has ``c`` (chain), ``b`` (stored bytes) and, of a message, ``a`` (author's id)."""
    return room(room_id) + ":log"


def messages(room_id: RoomId) -> str:
    """The offsets of the room's messages (``places.lua``)."""
    return room(room_id) + ":messages"


def changes(room_id: RoomId) -> str:
    """A hash: offset of a message to what became of it (``places.lua``)."""
    return room(room_id) + ":changes"


def members(room_id: RoomId) -> str:
    """A set of user ids."""
    return room(room_id) + ":members"


def markers(room_id: RoomId) -> str:
    """A hash: user id to the offset up to which they have read."""
    return room(room_id) + ":markers"


def leases(room_id: RoomId) -> str:
    """A sorted set: node and user id, by when the lease ends on the server's clock."""
    return room(room_id) + ":leases"


def lease_names(room_id: RoomId) -> str:
    """A hash: user id to name."""
    return room(room_id) + ":leases:names"


def channel(topic: str) -> str:
    """The channel of a topic."""
    return _CHANNEL + topic


def topic(channel: bytes) -> str:
    """The topic of a channel."""
    return channel[len(_CHANNEL) :].decode()
