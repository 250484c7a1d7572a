"""Walks every log of a store and says what is wrong: the same for all backends, in constant memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence

import msgspec

from datchat.chat import chain, wire
from datchat.chat.model import START, Cursor, Entry, RoomId
from datchat.errors import BackendError
from datchat.ports import Backend, Broker

PAGE = 500
MAX_FAULTS = 20
"""Faults told of one room; the rest are counted."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What there is of a room's log, and what is wrong with it: a sentence each."""

    room: RoomId
    entries: int
    cursor: Cursor
    """The last entry's, as it stands in the log."""
    faults: Sequence[str]


async def verify(backend: Backend) -> AsyncIterator[Finding]:
    """
    Walk the log of every room, private and archived ones too; a finding each. Also beside a running server.

    Raises:
        BackendError: The rooms can't be listed. A log that can't be read is a finding.
    """
    for room in await backend.rooms.all():
        yield await _walk(backend.broker, room.id)


async def _walk(broker: Broker, room: RoomId) -> Finding:
    faults = _Faults()
    count, cursor = 0, START
    try:
        # Asked for first: a server that runs may append while we walk, but never takes away.
        top = await broker.top(room)
        met = cursor == top
        while page := await broker.scan(room, cursor.offset, PAGE):
            faults.add(chain.faults(page, cursor))
            faults.add(_contents(page))
            met = met or any(entry.cursor == top for entry in page)
            count, cursor = count + len(page), page[-1].cursor
        if not met:
            faults.add([f"the log has no entry {top}, which was its last: it ends at {cursor}"])
        elif (top := await broker.top(room)).offset < cursor.offset:
            faults.add([f"the log goes on to {cursor}, beyond what should be its last entry, {top}"])
    except BackendError as error:
        faults.add([f"beyond offset {cursor.offset} it can't be read: {error}"])
    return Finding(room=room, entries=count, cursor=cursor, faults=faults.told())


def _contents(entries: Iterable[Entry]) -> Iterable[str]:
    for entry in entries:
        try:
            wire.content(entry)
        except (msgspec.DecodeError, UnicodeDecodeError):
            yield f"the content of offset {entry.offset} can't be read"


class _Faults:
    """The first faults, and how many more."""

    def __init__(self) -> None:
        self._told: list[str] = []
        self._more = 0

    def add(self, faults: Iterable[str]) -> None:
        for fault in faults:
            if len(self._told) < MAX_FAULTS:
                self._told.append(fault)
            else:
                self._more += 1

    def told(self) -> list[str]:
        return [*self._told, f"and {self._more} more"] if self._more else self._told
