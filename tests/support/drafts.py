"""Drafts with little writing, each with a nonce of its own unless one is given."""

from __future__ import annotations

from itertools import count

from datchat.chat.model import LOBBY, Draft, Kind, RoomId, User

ALICE = User("u_alice", "alice")
BOB = User("u_bob", "bob")
CAROL = User("u_carol", "carol")

_numbers = count(1)


def draft(
    kind: Kind,
    *,
    room: RoomId = LOBBY,
    author: User = ALICE,
    nonce: str | None = None,
    text: str | None = None,
    reply_to: int | None = None,
    target: int | None = None,
    emoji: str | None = None,
    on: bool | None = None,
    moderator: bool = False,
) -> Draft:
    """Any draft. Its time counts up, so that no two are the same."""
    number = next(_numbers)
    return Draft(
        room=room,
        kind=kind,
        author=author,
        nonce=nonce or f"n-{number}",
        at=1_795_503_600_000 + number,
        via="web0",
        text=text,
        reply_to=reply_to,
        target=target,
        emoji=emoji,
        on=on,
        moderator=moderator,
    )


def message(
    text: str = "hello",
    *,
    room: RoomId = LOBBY,
    author: User = ALICE,
    nonce: str | None = None,
    reply_to: int | None = None,
) -> Draft:
    return draft(Kind.MESSAGE, room=room, author=author, nonce=nonce, text=text, reply_to=reply_to)


def edit(
    target: int, text: str = "edited", *, room: RoomId = LOBBY, author: User = ALICE, nonce: str | None = None
) -> Draft:
    return draft(Kind.EDIT, room=room, author=author, nonce=nonce, target=target, text=text)


def deletion(target: int, *, room: RoomId = LOBBY, author: User = ALICE, moderator: bool = False) -> Draft:
    return draft(Kind.DELETION, room=room, author=author, target=target, moderator=moderator)


def reaction(target: int, emoji: str = "👍", *, on: bool = True, room: RoomId = LOBBY, author: User = ALICE) -> Draft:
    return draft(Kind.REACTION, room=room, author=author, target=target, emoji=emoji, on=on)
