"""
What went on around the clients of a drill, and whether the chat bore it as promised. Pure; times are the clients'.

``checkers.py`` judges what clients were told; here is judged what happened to sessions, to time and to the nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from datchat.drills.checkers import Checker
from datchat.drills.history import History

GRACE_S: Final = 60.0
"""How long a node that could hear nothing may honour an ended session while the store is away."""
AFTER_S: Final = 10.0
"""How long after a fault's end the store may still be away for a node."""
MOST_GROWTH_BYTES: Final = 192 * 2**20
"""How much memory a node may take more at the end than at the start; a leak under load takes more."""
MOST_LEFT_OPEN: Final = 64
"""How many descriptors a node may have open more than at the start, when everybody has gone: kept-alive HTTP."""


@dataclass
class Fault:
    """Something that was done to the cluster. ``until`` is None while it lasts."""

    kind: str
    part: str
    at: float
    until: float | None = None


@dataclass(frozen=True)
class DeadSession:
    """A session whose end was confirmed at ``ended_at``."""

    client: str
    ended_at: float


@dataclass(frozen=True)
class Attempt:
    """Somebody tried a dead session. ``admitted`` is None when there was no answer."""

    client: str
    at: float
    what: str
    admitted: bool | None


@dataclass(frozen=True)
class Contradiction:
    """A client was told something that can't be, or was thrown out though its session lived."""

    client: str
    at: float
    what: str


@dataclass(frozen=True)
class Sample:
    """What a node's process took at a moment."""

    at: float
    part: str
    pid: int
    rss_bytes: int
    descriptors: int | None
    """None where they can't be seen."""


@dataclass
class Circumstances:
    """All that happened around the clients."""

    faults: list[Fault] = field(default_factory=list)
    dead: list[DeadSession] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    contradictions: list[Contradiction] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    load_from: float = 0.0
    """When clients had begun to post."""
    load_until: float = 0.0
    """When they had stopped."""
    unhealed: str | None = None
    """Why the cluster was not whole again, long after the last fault was undone."""
    unnoticed: list[str] = field(default_factory=list)
    """What a part should have said of itself, and didn't in time."""
    silence_limit_s: float = 20.0
    """The longest time without an acknowledgement that is borne."""

    def silence_s(self, history: History, fault: Fault) -> float:
        """The longest time without an acknowledgement from a fault on, until the next one or the end of the load."""
        later = [other.at for other in self.faults if other.at > fault.at]
        until = min([*later, self.load_until])
        return history.longest_silence_s(fault.at, until) if until > fault.at else 0.0

    def troubled(self, since: float, until: float) -> bool:
        """Whether a fault, or what it leaves for a while, fell into this time."""
        return any(
            fault.at <= until and (fault.until is None or fault.until + AFTER_S >= since) for fault in self.faults
        )


def sessions(around: Circumstances) -> Iterator[str]:
    """An ended session opens nothing: at once while the store is there, and after the grace in any case."""
    ended = {dead.client: dead.ended_at for dead in around.dead}
    for attempt in around.attempts:
        if not attempt.admitted:
            continue
        ended_at = ended.get(attempt.client)
        if ended_at is None or attempt.at < ended_at:
            continue
        late_s = attempt.at - ended_at
        if late_s > GRACE_S or not around.troubled(ended_at, attempt.at):
            yield f"{attempt.client} signed out, and {late_s:.1f} s later the dead session was good for {attempt.what}"


def consistent(around: Circumstances) -> Iterator[str]:
    """No client was told a log that contradicts what it was told before, and nobody was thrown out."""
    for contradiction in around.contradictions:
        yield f"{contradiction.client}: {contradiction.what}"


def available(history: History, around: Circumstances) -> Iterator[str]:
    """The chat went on: no silence was longer than what is borne."""
    if around.load_until <= around.load_from:
        return
    longest_s = history.longest_silence_s(around.load_from, around.load_until)
    if longest_s <= around.silence_limit_s:
        return
    blamed = [fault for fault in around.faults if around.silence_s(history, fault) > around.silence_limit_s]
    for fault in blamed:
        silence_s = around.silence_s(history, fault)
        yield f"after {fault.kind} of {fault.part} nothing was acknowledged for {silence_s:.1f} s"
    if not blamed:
        yield f"nothing was acknowledged for {longest_s:.1f} s, and no fault explains it"


def healed(around: Circumstances) -> Iterator[str]:
    """When nothing is broken any more the cluster becomes whole by itself."""
    if around.unhealed is not None:
        yield around.unhealed


def noticed(around: Circumstances) -> Iterator[str]:
    """A node that can't serve says so, before people find out."""
    yield from around.unnoticed


def bounded(around: Circumstances) -> Iterator[str]:
    """No node's process grew beyond bounds, nor kept connections of those who left."""
    lives: dict[tuple[str, int], list[Sample]] = {}
    for sample in around.samples:
        lives.setdefault((sample.part, sample.pid), []).append(sample)
    for (part, pid), samples in lives.items():
        first, last = samples[0], samples[-1]
        grown = last.rss_bytes - first.rss_bytes
        if grown > MOST_GROWTH_BYTES:
            yield f"{part} (process {pid}) grew by {grown / 2**20:.0f} MB"
        if first.descriptors is None or last.descriptors is None:
            continue
        left = last.descriptors - first.descriptors
        if last.at > around.load_until and left > MOST_LEFT_OPEN:
            yield f"{part} (process {pid}) has {left} descriptors open more than at first, and everybody has left"


def checkers_for(around: Circumstances) -> dict[str, Checker]:
    """The checkers of what went on around, for ``checkers.judge``."""

    def bound(check: Callable[[Circumstances], Iterator[str]]) -> Checker:
        return lambda history: check(around)

    return {
        "sessions": bound(sessions),
        "consistent": bound(consistent),
        "available": lambda history: available(history, around),
        "healed": bound(healed),
        "noticed": bound(noticed),
        "bounded": bound(bounded),
    }
