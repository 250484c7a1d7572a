"""What a room hands to whoever reads it: entries, and now and then a reset."""

from __future__ import annotations

from dataclasses import dataclass

from datchat.chat import wire
from datchat.chat.model import Content, Cursor, Entry, Kind, RoomId, User


class RoomEntry:
    """A stored entry as it came: its place in the log, and what it says (read on the first look)."""

    __slots__ = ("_content", "entry")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self._content: Content | None = None

    @property
    def content(self) -> Content:
        if self._content is None:
            self._content = wire.content(self.entry)
        return self._content

    @property
    def room(self) -> RoomId:
        return self.entry.room

    @property
    def offset(self) -> int:
        return self.entry.offset

    @property
    def cursor(self) -> Cursor:
        return self.entry.cursor

    @property
    def kind(self) -> Kind:
        return self.content.kind

    @property
    def author(self) -> User:
        return self.content.author

    @property
    def at(self) -> int:
        """When it was stored, in milliseconds since 1970."""
        return self.content.at

    @property
    def nonce(self) -> str:
        return self.content.nonce

    @property
    def text(self) -> str | None:
        return self.content.text

    @property
    def reply_to(self) -> int | None:
        return self.content.reply_to

    @property
    def target(self) -> int | None:
        return self.content.target

    def __repr__(self) -> str:
        return f"<{self.room} {self.entry.offset}: {self.entry.body.decode(errors='replace')}>"


@dataclass(frozen=True)
class Reset:
    """
    The server can't go on from where this client was: forget what is shown, and start from ``entries``, the newest.

    ``lost`` is the cursor that could not be served.
    """

    room: RoomId
    lost: Cursor | None
    entries: tuple[RoomEntry, ...]
    cursor: Cursor


RoomEvent = RoomEntry | Reset
