"""
A batch of drafts becomes entries: judged one after the other, written together.

What a batch needs is read first, the drafts are judged in Python on that, and what they come to is written in a few
statements. A draft that is refused writes nothing, so its neighbours don't feel it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from sqlite3 import Connection

from datchat.backends.sqlite import rows
from datchat.chat import chain, rules
from datchat.chat.model import Cursor, Draft, Entry, Kind, Receipt, RoomId
from datchat.errors import ClientError

Outcome = Receipt | ClientError


@dataclass(slots=True)
class _Room:
    number: int
    archived: bool
    top: int
    chain: str
    messages: int


@dataclass(slots=True)
class _Message:
    """A row of ``messages``."""

    author: str
    ordinal: int
    own: int
    edit: int | None
    deleted: bool
    replies: int
    revision: int


@dataclass(slots=True)
class Appends:
    """One batch. ``entries`` are what it stored; nothing lasts before the transaction is committed."""

    connection: Connection
    entries: list[Entry] = field(default_factory=list)
    _rooms: dict[RoomId, _Room] = field(default_factory=dict)
    _nonces: dict[tuple[int, str, str], Cursor] = field(default_factory=dict)
    _messages: dict[tuple[int, int], _Message] = field(default_factory=dict)
    _own: dict[tuple[int, str], int] = field(default_factory=dict)
    """How many messages an author has in a room."""
    _new_entries: list[rows.Row] = field(default_factory=list)
    _new_nonces: list[rows.Row] = field(default_factory=list)
    _changed: dict[tuple[int, int], _Message] = field(default_factory=dict)
    _reactions: dict[tuple[int, int], dict[tuple[str, str], bool]] = field(default_factory=dict)
    _cleared: list[tuple[int, int]] = field(default_factory=list)

    def store(self, drafts: Sequence[tuple[Draft, bytes]]) -> list[Outcome]:
        """Append drafts, given with their stored bytes; an answer for each, in order."""
        self._read([draft for draft, _ in drafts])
        outcomes: list[Outcome] = []
        for draft, body in drafts:
            try:
                outcomes.append(self._append(draft, body))
            except ClientError as refusal:
                outcomes.append(refusal)
        self._write()
        return outcomes

    # What the batch needs to know

    def _read(self, drafts: Sequence[Draft]) -> None:
        ids = [(room,) for room in dict.fromkeys(draft.room for draft in drafts)]
        query = "SELECT id, number, archived, top, chain, messages FROM rooms WHERE id IN ({rows})"
        for room, number, archived, top, link, messages in rows.read(self.connection, query, ids):
            self._rooms[room] = _Room(number, bool(archived), top, link, messages)
        placed = [(self._rooms[draft.room].number, draft) for draft in drafts if draft.room in self._rooms]
        self._read_nonces([(number, draft.author.id, draft.nonce) for number, draft in placed])
        self._read_messages([(number, at) for number, draft in placed if (at := rules.names(draft)) is not None])
        self._read_own([(number, draft.author.id) for number, draft in placed if draft.kind is Kind.MESSAGE])

    def _read_nonces(self, keys: Sequence[tuple[int, str, str]]) -> None:
        query = """
            WITH asked (room, author, nonce) AS ({rows})
            SELECT n.room, n.author, n.nonce, n.offset, e.chain
            FROM asked CROSS JOIN nonces n USING (room, author, nonce)
            JOIN entries e ON e.room = n.room AND e.offset = n.offset
        """
        for room, author, nonce, offset, link in rows.read(self.connection, query, keys):
            self._nonces[room, author, nonce] = Cursor(offset, link)

    def _read_messages(self, keys: Sequence[tuple[int, int]]) -> None:
        query = """
            WITH asked (room, offset) AS ({rows})
            SELECT room, offset, author, ordinal, own, edit, deleted, replies, revision
            FROM asked CROSS JOIN messages USING (room, offset)
        """
        for room, offset, author, ordinal, own, edit, deleted, replies, revision in rows.read(
            self.connection, query, list(dict.fromkeys(keys))
        ):
            self._messages[room, offset] = _Message(author, ordinal, own, edit, bool(deleted), replies, revision)

    def _read_own(self, keys: Sequence[tuple[int, str]]) -> None:
        query = """
            WITH asked (room, author) AS ({rows})
            SELECT room, author, (
                SELECT m.own FROM messages m WHERE m.room = asked.room AND m.author = asked.author
                ORDER BY m.offset DESC LIMIT 1
            ) FROM asked
        """
        for room, author, own in rows.read(self.connection, query, list(dict.fromkeys(keys))):
            self._own[room, author] = own or 0

    # Judging, on what is known

    def _append(self, draft: Draft, body: bytes) -> Receipt:
        room = self._rooms.get(draft.room)
        if room is None:
            raise rules.no_such_room(draft.room)
        nonce = (room.number, draft.author.id, draft.nonce)
        if nonce in self._nonces:
            return Receipt(self._nonces[nonce], copies=1, duplicate=True)
        at = rules.names(draft)
        message = None if at is None else self._messages.get((room.number, at))
        known = None if message is None else rules.Named(message.author, message.deleted)
        rules.judge(draft, archived=room.archived, named=known)
        room.top += 1
        room.chain = chain.extend(room.chain, body)
        cursor = self._nonces[nonce] = Cursor(room.top, room.chain)
        self.entries.append(Entry(draft.room, room.top, room.chain, body))
        self._new_entries.append((room.number, room.top, room.chain, body))
        self._new_nonces.append((*nonce, room.top))
        if at is not None and message is not None:
            self._change(draft, room, (room.number, at), message)
        if draft.kind is Kind.MESSAGE:
            self._begin(draft, room)
        return Receipt(cursor, copies=1, duplicate=False)

    def _begin(self, draft: Draft, room: _Room) -> None:
        author = draft.author.id
        room.messages += 1
        own = self._own[room.number, author] = self._own[room.number, author] + 1
        place = (room.number, room.top)
        self._changed[place] = self._messages[place] = _Message(
            author, room.messages, own, edit=None, deleted=False, replies=0, revision=room.top
        )

    def _change(self, draft: Draft, room: _Room, place: tuple[int, int], message: _Message) -> None:
        message.revision = room.top
        if draft.kind is Kind.MESSAGE:
            message.replies += 1
        elif draft.kind is Kind.EDIT:
            message.edit = room.top
        elif draft.kind is Kind.DELETION:
            message.deleted = True
            self._reactions.pop(place, None)
            self._cleared.append(place)
        else:
            reaction = (draft.emoji or "", draft.author.id)
            self._reactions.setdefault(place, {})[reaction] = bool(draft.on)
        self._changed[place] = message

    # Writing what it came to

    def _write(self) -> None:
        write, connection = rows.write, self.connection
        write(connection, "INSERT INTO entries (room, offset, chain, body) {rows}", self._new_entries)
        write(connection, "INSERT INTO nonces (room, author, nonce, offset) {rows}", self._new_nonces)
        columns = "room, offset, author, ordinal, own, edit, deleted, replies, revision"
        messages = [
            (*place, m.author, m.ordinal, m.own, m.edit, m.deleted, m.replies, m.revision)
            for place, m in self._changed.items()
        ]
        write(connection, f"REPLACE INTO messages ({columns}) {{rows}}", messages)
        write(connection, "DELETE FROM reactions WHERE (room, target) IN ({rows})", self._cleared)
        on: list[rows.Row] = []
        off: list[rows.Row] = []
        for place, reactions in self._reactions.items():
            for reaction, is_on in reactions.items():
                (on if is_on else off).append((*place, *reaction))
        write(connection, "INSERT OR IGNORE INTO reactions (room, target, emoji, user) {rows}", on)
        write(connection, "DELETE FROM reactions WHERE (room, target, emoji, user) IN ({rows})", off)
        tops = [(room.number, room.top, room.chain, room.messages) for room in self._rooms.values()]
        if self.entries:
            new = "UPDATE rooms SET top = new.column2, chain = new.column3, messages = new.column4"
            write(connection, new + " FROM ({rows}) AS new WHERE number = new.column1", tops)
