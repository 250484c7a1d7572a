"""
Folding: from the entries of a log to the messages that are shown. Pure, and the same for all backends.

``apply`` is the definition: a message changes by the entries that name it, in the order of their offsets, and an entry
counts only when its offset is above the message's revision. So a view and the entries that follow its cursor merge in
any order. The page's ``timeline.js`` does the same, held equal by a test.

``fold`` gives the same message from the *sum* of those entries: what a backend keeps with a message, so that a view
costs neither its history nor how often a reaction was toggled.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from datchat.chat.model import Content, Kind, Message


class Sum(msgspec.Struct, frozen=True, kw_only=True):
    """What all the entries that name a message come to."""

    edit: Content | None = None
    """The last edit."""
    deleted: bool = False
    reactions: Iterable[tuple[str, str]] = ()
    """Emoji and user id of each reaction that is on, in any order."""
    replies: int = 0
    revision: int
    """The offset of the last of them; the message's own when there are none."""


def begin(offset: int, content: Content) -> Message:
    """The message that a message entry starts as."""
    return Message(
        offset=offset,
        author=content.author,
        at=content.at,
        via=content.via,
        nonce=content.nonce,
        text=content.text or "",
        reply_to=content.reply_to,
        revision=offset,
    )


def apply(message: Message, offset: int, content: Content) -> Message:
    """
    The message after the entry ``content`` at ``offset``, which names it as target or as ``reply_to``.

    A deletion is final: it takes text and reactions, and nothing that comes later brings anything back. A reply counts
    for good, also when it is deleted itself.
    """
    if offset <= message.revision:
        return message
    if content.kind is Kind.MESSAGE:
        return replace(message, replies=message.replies + 1, revision=offset)
    if message.deleted:
        return replace(message, revision=offset)
    if content.kind is Kind.EDIT:
        return replace(message, text=content.text or "", edited_at=content.at, revision=offset)
    if content.kind is Kind.DELETION:
        return replace(message, text="", deleted=True, reactions={}, revision=offset)
    return replace(message, reactions=_react(message.reactions, content), revision=offset)


def fold(offset: int, content: Content, changes: Sum) -> Message:
    """The message that ``apply`` gives after all the entries that ``changes`` sums up."""
    edit = changes.edit
    text = content.text if edit is None else edit.text
    return Message(
        offset=offset,
        author=content.author,
        at=content.at,
        via=content.via,
        nonce=content.nonce,
        text="" if changes.deleted or text is None else text,
        reply_to=content.reply_to,
        edited_at=None if edit is None else edit.at,
        deleted=changes.deleted,
        reactions={} if changes.deleted else _gather(changes.reactions),
        replies=changes.replies,
        revision=changes.revision,
    )


def _react(reactions: dict[str, tuple[str, ...]], content: Content) -> dict[str, tuple[str, ...]]:
    emoji, user = content.emoji or "", content.author.id
    users = {*reactions.get(emoji, ()), user} if content.on else {*reactions.get(emoji, ())} - {user}
    changed = {**reactions, emoji: tuple(sorted(users))}
    return {emoji: changed[emoji] for emoji in sorted(changed) if changed[emoji]}


def _gather(reactions: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    gathered: dict[str, tuple[str, ...]] = {}
    for emoji, user in sorted(reactions):
        gathered[emoji] = (*gathered.get(emoji, ()), user)
    return gathered
