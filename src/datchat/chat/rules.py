"""
What may be appended to a log: judged by every backend in the same step that stores the entry, so that no two drafts
slip past each other. Pure.
"""

from __future__ import annotations

from typing import NamedTuple

from datchat.chat.model import Draft, Kind, RoomId
from datchat.errors import Forbidden, NoSuchEntry, NoSuchRoom


class Named(NamedTuple):
    """What is known of the message that a draft names."""

    author_id: str
    deleted: bool


def names(draft: Draft) -> int | None:
    """The offset of the message that a draft changes or replies to."""
    return draft.reply_to if draft.kind is Kind.MESSAGE else draft.target


def judge(draft: Draft, *, archived: bool, named: Named | None) -> None:
    """
    Return when the draft may be appended. ``named`` is the message that it names, None when there is none.

    Raises:
        NoSuchRoom: The room is archived.
        NoSuchEntry: It names no message of the room, or a deleted one.
        Forbidden: An edit of somebody else's message, or a deletion of one without ``moderator``.
    """
    if archived:
        raise NoSuchRoom(f"the room {draft.room} is archived")
    if draft.kind is Kind.MESSAGE and draft.reply_to is None:
        return
    if named is None:
        raise NoSuchEntry("there is no such message in this room")
    if named.deleted:
        raise NoSuchEntry("the message is deleted")
    own = named.author_id == draft.author.id
    if draft.kind is Kind.EDIT and not own:
        raise Forbidden("only the author edits a message")
    if draft.kind is Kind.DELETION and not own and not draft.moderator:
        raise Forbidden("only the author or a moderator deletes a message")


def no_such_room(room: RoomId) -> NoSuchRoom:
    """The same sentence everywhere."""
    return NoSuchRoom(f"there is no room {room}")
