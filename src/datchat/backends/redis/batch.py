"""
What a pipeline carries out: works, taken from the queue's head as one batch of commands.

Posts are gathered by room, one script call for each room with all its posts, in the order in which they came. A room
has one call a batch at most, so that one that is refused can't be overtaken by its successor.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from datchat.backends.redis import keys, scripts
from datchat.backends.redis.faults import ReplyFault, refused
from datchat.backends.redis.link import Command, Link, Word, pack
from datchat.chat import rules, wire
from datchat.chat.model import Cursor, Draft, Entry, Receipt, RoomId
from datchat.errors import ClientError, DatChatError, Indeterminate, Unavailable

MAX_POSTS = 1000
MAX_ACTS = 64
MAX_BYTES = 1 << 20
"""Bytes of posts in a batch, at least one post."""


class Work:
    """
    Something to be done and proved. ``until`` is when its time is over, by the loop's clock.

    It may be done more than once, with the same outcome.
    """

    __slots__ = ("sent", "until", "waiter", "writes")

    def __init__(self, until: float, *, writes: bool) -> None:
        self.until = until
        self.writes = writes
        self.waiter: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.sent = False


class Append(Work):
    """A post. ``attempt`` tells this call of append from every other, so that a repeat of ours is no duplicate."""

    __slots__ = ("body", "draft", "nonce_ms", "words")

    def __init__(self, until: float, draft: Draft, attempt: str, nonce_ms: int) -> None:
        super().__init__(until, writes=True)
        self.draft = draft
        self.body = wire.stored_bytes(draft)
        self.nonce_ms = nonce_ms
        named = rules.names(draft)
        # What can't be written down has to fail here, where it fails alone.
        self.words: tuple[Word, ...] = (
            draft.kind.value,
            draft.author.id.encode(),
            draft.nonce.encode(),
            attempt,
            # What is no offset at all names nothing; a stream's id can't say it.
            "" if named is None else named if 0 < named <= wire.MAX_OFFSET else 0,
            (draft.emoji or "").encode(),
            "1" if draft.on else "0",
            "1" if draft.moderator else "0",
            self.body,
        )
        """Its part of the script's arguments."""


class Act(Work):
    """
    Commands, and what their answers come to. ``read`` gets the answers, none of them an error, and may raise a
    ``DatChatError``.
    """

    __slots__ = ("count", "data", "read")

    def __init__(
        self, until: float, commands: Sequence[Command], read: Callable[[list[Any]], Any], *, writes: bool
    ) -> None:
        super().__init__(until, writes=writes)
        self.data = pack(commands)
        self.count = len(commands)
        self.read = read


class Batch:
    """Works as commands, and the way back."""

    def __init__(self) -> None:
        self._parts: list[_Room | Act] = []
        self._rooms: dict[RoomId, _Room] = {}
        self._open: dict[RoomId, _Room] = {}
        self._posts = self._acts = self._bytes = 0

    def add(self, work: Work) -> bool:
        """Take a work in, unless it has to wait for the next batch."""
        if isinstance(work, Append):
            return self._add_post(work)
        assert isinstance(work, Act)
        if self._acts == MAX_ACTS:
            return False
        self._acts += 1
        self._open.clear()
        self._parts.append(work)
        return True

    def _add_post(self, post: Append) -> bool:
        self._bytes += len(post.body)
        if self._posts == MAX_POSTS or (self._bytes > MAX_BYTES and self._posts):
            return False
        room = post.draft.room
        if room not in self._open:
            if room in self._rooms:
                return False
            self._open[room] = self._rooms[room] = _Room(room)
            self._parts.append(self._rooms[room])
        self._posts += 1
        self._rooms[room].posts.append(post)
        return True

    @property
    def data(self) -> bytes:
        """All its commands, packed."""
        return b"".join([part.data for part in self._parts])

    @property
    def count(self) -> int:
        """How many commands they are."""
        return sum(part.count for part in self._parts)

    def settle(self, replies: Sequence[Any], copies: int, link: Link) -> None:
        """The batch is safe: tell all nodes of its entries, and answer every work."""
        at = 0
        publish: list[Command] = []
        answers: list[tuple[Work, Any]] = []
        for part in self._parts:
            own = replies[at : at + part.count]
            at += part.count
            if isinstance(part, Act):
                answers.append((part, _carry_out(part, own)))
            else:
                entries, outcomes = part.read(own[0], copies)
                answers += zip(part.posts, outcomes, strict=True)
                if entries:
                    payload = b"\n".join(map(wire.entry_json, entries))
                    publish.append(("PUBLISH", keys.channel(part.room), payload))
        link.forget(publish)
        for work, answer in answers:
            if work.waiter.done():
                continue  # whoever asked has gone
            if isinstance(answer, Exception):
                work.waiter.set_exception(answer)
            else:
                work.waiter.set_result(answer)


class _Room:
    """The posts of one room in a batch."""

    count = 1

    def __init__(self, room: RoomId) -> None:
        self.room = room
        self.posts: list[Append] = []

    @property
    def data(self) -> bytes:
        room = self.room
        places = [keys.room(room), keys.log(room), keys.messages(room), keys.changes(room)]
        words = [word for post in self.posts for word in post.words]
        return pack([scripts.APPEND(places, self.posts[0].nonce_ms, *words)])

    def read(self, reply: Any, copies: int) -> tuple[list[Entry], list[Any]]:
        """The entries to be told, and an answer for each post."""
        if isinstance(reply, ReplyFault):
            return [], [refused(reply) for _ in self.posts]
        entries: list[Entry] = []
        outcomes: list[Any] = []
        for post, answer in zip(self.posts, reply, strict=True):
            if answer[0] == 1:
                cursor, duplicate = Cursor(int(answer[1]), answer[2].decode()), bool(answer[3])
                outcomes.append(Receipt(cursor, copies, duplicate))
                if not duplicate:
                    entries.append(Entry(self.room, *cursor, post.body))
            else:
                outcomes.append(_refusal(post.draft, answer))
        return entries, outcomes


def take(waiting: deque[Work], most: int = MAX_POSTS + MAX_ACTS) -> tuple[list[Work], Batch]:
    """As many of the first that wait as make a batch, in their order; those that nobody waits for are dropped."""
    works: list[Work] = []
    batch = Batch()
    while waiting and len(works) < most:
        if not waiting[0].waiter.done():
            if not batch.add(waiting[0]):
                break
            works.append(waiting[0])
        waiting.popleft()
    return works, batch


def _carry_out(act: Act, replies: Sequence[Any]) -> Any:
    for reply in replies:
        if isinstance(reply, ReplyFault):
            failure = refused(reply)
            return failure if act.writes else Unavailable(str(failure))
    try:
        return act.read(list(replies))
    except DatChatError as error:
        return error


def _refusal(draft: Draft, answer: Sequence[Any]) -> Exception:
    """The rules' own words for what the script found."""
    if len(answer) == 1:
        return rules.no_such_room(draft.room)
    _, archived, found, author, deleted = answer
    named = rules.Named(author.decode(), bool(deleted)) if found else None
    try:
        rules.judge(draft, archived=bool(archived), named=named)
    except ClientError as refusal:
        return refusal
    return Indeterminate("the store refused what the rules allow")
