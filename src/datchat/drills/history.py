"""
What clients saw: what they asked for, what became of it, and what they were shown, with times. And the log at the end.

All times are of one clock, in seconds; whoever compares clients by time has to give them the same one. Knows nothing of
servers: a history is all that a judge has.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from datchat.chat import wire
from datchat.client import ClientFailure, Cursor, NotStored, Observer, Refused, Reset, RoomEntry, Stored


class Outcome(StrEnum):
    """What is known of an operation."""

    UNDER_WAY = "under way"
    STORED = "stored"
    """Acknowledged: it has to be in the log."""
    FAILED = "failed"
    """Definitely not stored: it must not be in the log."""
    UNKNOWN = "unknown"
    """Given up after it went out: it may be in the log, once."""


@dataclass(slots=True)
class Operation:
    """One post as its author saw it."""

    client: str
    room: str
    nonce: str
    text: str | None
    invoked_at: float
    completed_at: float | None = None
    outcome: Outcome = Outcome.UNDER_WAY
    place: Cursor | None = None
    """Where it was said to be stored."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Logged:
    """An entry of a room's log, as a client was shown it or as it is read at the end."""

    room: str
    offset: int
    chain: str
    body: bytes
    nonce: str
    text: str | None


@dataclass(frozen=True, slots=True)
class Seen:
    """An entry that a client was shown."""

    at: float
    entry: Logged


@dataclass(frozen=True, slots=True)
class StartedOver:
    """A client was told that the server can't go on from where it was."""

    client: str
    room: str
    at: float
    lost: Cursor | None


@dataclass(frozen=True, slots=True)
class Strayed:
    """The server sent a client an entry out of turn. A careful client makes up for it."""

    client: str
    room: str
    at: float
    after: int
    offset: int


@dataclass
class History:
    """Everything that a judge is given."""

    operations: list[Operation] = field(default_factory=list)
    seen: dict[tuple[str, str], list[Seen]] = field(default_factory=dict)
    """By client and room, in the order in which it was shown."""
    resets: list[StartedOver] = field(default_factory=list)
    strays: list[Strayed] = field(default_factory=list)
    connections: list[tuple[float, str, str]] = field(default_factory=list)
    """When, which client, to which node."""
    log: dict[str, list[Logged]] = field(default_factory=dict)
    """Every room's log at the end, from its first entry on. What is missing here was not read."""
    stayed: set[tuple[str, str]] = field(default_factory=set)
    """Who read a room until its log was read at the end, and so has to have seen all from their first entry on."""

    _known: dict[tuple[str, int, str], Logged] = field(default_factory=dict, repr=False)

    def recorder(self, client: str) -> Recorder:
        """What writes down one client's part; give it to ``Client(observer=…)``."""
        return Recorder(self, client)

    def once(self, entry: RoomEntry) -> Logged:
        """The entry as histories keep it, one object for all who were shown the same."""
        stored = entry.entry
        key = (entry.room, entry.offset, stored.chain)
        known = self._known.get(key)
        if known is None or known.body != stored.body:
            known = self._known[key] = Logged(*key, stored.body, entry.nonce, entry.text)
        return known

    def acknowledged(self) -> list[Operation]:
        """What was acknowledged."""
        return [operation for operation in self.operations if operation.outcome is Outcome.STORED]

    def longest_silence_s(self, since: float, until: float) -> float:
        """The longest time between two acknowledgements, of whichever client, between two moments."""
        times = sorted(
            operation.completed_at
            for operation in self.acknowledged()
            if operation.completed_at is not None and since <= operation.completed_at <= until
        )
        edges = [since, *times, until]
        return max(after - before for before, after in pairwise(edges))


class Recorder(Observer):
    """Writes down what one client sees."""

    def __init__(self, history: History, client: str) -> None:
        self._history = history
        self._client = client
        self._open: dict[str, Operation] = {}

    def connected(self, at: float, node: object, url: str) -> None:
        self._history.connections.append((at, self._client, str(getattr(node, "name", node))))

    def invoked(self, at: float, command: wire.Posting) -> None:
        text = command.text if isinstance(command, wire.Post | wire.Edit) else None
        operation = Operation(self._client, command.room, command.nonce, text, at)
        self._open[command.nonce] = operation
        self._history.operations.append(operation)

    def completed(self, at: float, command: wire.Posting, outcome: Stored | ClientFailure) -> None:
        operation = self._open.pop(command.nonce)
        operation.completed_at = at
        if isinstance(outcome, Stored):
            operation.outcome, operation.place = Outcome.STORED, outcome.place
            return
        operation.reason = f"{type(outcome).__name__}: {outcome}"
        definite = isinstance(outcome, Refused | NotStored) and not _overtaken(outcome)
        operation.outcome = Outcome.FAILED if definite else Outcome.UNKNOWN

    def received(self, at: float, entry: RoomEntry) -> None:
        shown = self._history.seen.setdefault((self._client, entry.room), [])
        shown.append(Seen(at, self._history.once(entry)))

    def reset(self, at: float, reset: Reset) -> None:
        self._history.resets.append(StartedOver(self._client, reset.room, at, reset.lost))

    def strayed(self, at: float, room: str, after: Cursor, offset: int) -> None:
        self._history.strays.append(Strayed(self._client, room, at, after.offset, offset))


def _overtaken(failure: ClientFailure) -> bool:
    # It says that this try was not taken; an earlier one with the same nonce may have been.
    return isinstance(failure, Refused) and failure.code == "stale_nonce"
