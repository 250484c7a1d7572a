"""
Whether a history keeps the promise (docs/guarantees.md). Pure functions: a history in, a sentence for each fault out.

Written apart from what it judges: the chain and the order are worked out anew here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha1
from itertools import pairwise
from types import MappingProxyType

from datchat.drills.history import History, Logged, Operation, Outcome

GENESIS = "0" * 16
"""The chain before a log's first entry."""
MOST_TOLD = 20
"""Faults of one checker that are told; the rest are counted."""

Checker = Callable[[History], Iterator[str]]


class Verdict(StrEnum):
    VALID = "valid"
    INVALID = "invalid"
    UNKNOWN = "unknown"
    """It could not be judged. That is no pass."""


@dataclass(frozen=True)
class Judgement:
    """What came out: ``faults`` by checker, and why it is unknown where it is."""

    verdict: Verdict
    faults: Mapping[str, list[str]]
    unknown: Mapping[str, str]

    def __str__(self) -> str:
        told = [f"{name}: {fault}" for name, faults in self.faults.items() for fault in faults]
        told += [f"{name} can't be judged: {why}" for name, why in self.unknown.items()]
        return "\n".join([str(self.verdict), *told])


def kept(history: History) -> Iterator[str]:
    """Acknowledged is kept: at its place, with its text."""
    at = {(room, entry.offset): entry for room, log in history.log.items() for entry in log}
    for operation in history.acknowledged():
        if operation.room not in history.log:
            continue  # it was not read: nobody knows
        place = operation.place
        found = None if place is None else at.get((operation.room, place.offset))
        if found is None:
            yield f"{_name(operation)} was acknowledged at {place} and is not there"
        elif found.nonce != operation.nonce or found.text != operation.text:
            yield f"{_name(operation)} was acknowledged at {place}, where {found.nonce} is"
        elif place is not None and found.chain != place.chain:
            yield f"{_name(operation)} was acknowledged at {place}, and the log's chain there is {found.chain}"


def once(history: History) -> Iterator[str]:
    """No draft is in the log twice, and nothing is in it that failed or that nobody posted."""
    operations = {(operation.room, operation.nonce): operation for operation in history.operations}
    for room, log in history.log.items():
        for nonce, count in Counter(entry.nonce for entry in log).items():
            operation = operations.get((room, nonce))
            if count > 1:
                yield f"{nonce} is in the log of {room} {count} times"
            if operation is None:
                yield f"{nonce} is in the log of {room} and nobody posted it"
            elif operation.outcome is Outcome.FAILED:
                yield f"{_name(operation)} failed ({operation.reason}) and is in the log"


def ordered(history: History) -> Iterator[str]:
    """What was acknowledged before something else was begun comes before it in the log, whoever did either."""
    for room in {operation.room for operation in history.operations}:
        stored = [operation for operation in history.acknowledged() if operation.room == room]
        done = sorted(stored, key=lambda operation: operation.completed_at or 0.0)
        latest: Operation | None = None
        finished = 0
        for operation in sorted(stored, key=lambda operation: operation.invoked_at):
            while finished < len(done) and (done[finished].completed_at or 0.0) < operation.invoked_at:
                if latest is None or _offset(done[finished]) > _offset(latest):
                    latest = done[finished]
                finished += 1
            if latest is not None and _offset(operation) <= _offset(latest):
                yield f"{_name(operation)} was begun after {_name(latest)} was stored, and comes before it in {room}"


def gapless(history: History) -> Iterator[str]:
    """
    Every client saw a room in order, each entry once and none left out, to the end if it stayed; nobody reset. It was
    sent so, too: a client that mends what its node does wrong is no excuse for the node.
    """
    for stray in history.strays:
        yield f"{stray.client} was sent {stray.offset} of {stray.room} when it had {stray.after}"
    for reset in history.resets:
        yield f"{reset.client} had to start over in {reset.room}: it had seen {reset.lost}"
    for (client, room), seen in history.seen.items():
        for before, after in pairwise(seen):
            if after.entry.offset != before.entry.offset + 1:
                yield f"{client} saw {after.entry.offset} of {room} after {before.entry.offset}"
    for client, room in sorted(history.stayed):
        shown = history.seen.get((client, room), [])
        last, top = shown[-1].entry.offset if shown else 0, len(history.log.get(room, ()))
        if last < top:
            yield f"{client} saw {room} up to {last} only; its log goes up to {top}"


def safe(history: History) -> Iterator[str]:
    """What was shown is in the log, as it was shown."""
    at = {(room, entry.offset): entry for room, log in history.log.items() for entry in log}
    for (client, room), seen in history.seen.items():
        for shown in seen if room in history.log else ():
            found = at.get((room, shown.entry.offset))
            if found is None:
                yield f"{client} was shown {shown.entry.offset} of {room} ({shown.entry.nonce}), which has vanished"
            elif (found.chain, found.body) != (shown.entry.chain, shown.entry.body):
                yield f"{client} was shown another entry {shown.entry.offset} of {room} than its log has"


def chained(history: History) -> Iterator[str]:
    """Offsets 1, 2, 3… and each entry's chain covers all before it."""
    for room, log in history.log.items():
        before = Logged(room, 0, GENESIS, b"", "", None)
        for entry in log:
            if entry.offset != before.offset + 1:
                yield f"in the log of {room} offset {entry.offset} follows {before.offset}"
            elif entry.chain != sha1(before.chain.encode() + entry.body, usedforsecurity=False).hexdigest()[:16]:
                yield f"in the log of {room} the chain of offset {entry.offset} is wrong"
            before = entry


CHECKERS: Mapping[str, Checker] = MappingProxyType(
    {"kept": kept, "once": once, "ordered": ordered, "gapless": gapless, "safe": safe, "chained": chained}
)


def judge(history: History, checkers: Mapping[str, Checker] = CHECKERS) -> Judgement:
    """
    Ask every checker. A fault makes it invalid; a checker that fails, a room whose log was not read, or a history in
    which nothing was acknowledged makes it unknown.
    """
    faults: dict[str, list[str]] = {}
    unknown: dict[str, str] = {}
    if not history.acknowledged():
        unknown["history"] = "nothing was acknowledged"
    if unread := sorted({operation.room for operation in history.operations} - set(history.log)):
        unknown["log"] = f"not read: {', '.join(unread)}"
    for name, check in checkers.items():
        try:
            found = list(check(history))
        except Exception as error:
            unknown[name] = f"{type(error).__name__}: {error}"
        else:
            if found:
                more = [f"… and {len(found) - MOST_TOLD} more"] if len(found) > MOST_TOLD else []
                faults[name] = found[:MOST_TOLD] + more
    verdict = Verdict.INVALID if faults else Verdict.UNKNOWN if unknown else Verdict.VALID
    return Judgement(verdict, faults, unknown)


def _offset(operation: Operation) -> int:
    return 0 if operation.place is None else operation.place.offset


def _name(operation: Operation) -> str:
    return f"{operation.client}'s {operation.nonce} ({operation.text!r})"
