"""What can be counted in a history. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from datchat.drills import checkers
from datchat.drills.circumstances import Circumstances
from datchat.drills.history import History, Operation, Outcome
from datchat.drills.result import Latency, Spent


class Counts(NamedTuple):
    """What is counted of a history, as ``Result`` says what each is."""

    lost: int
    doubled: int
    reordered: int
    gaps: int
    phantoms: int


def counts(history: History) -> Counts:
    """All of it."""
    return Counts(lost(history), doubled(history), reordered(history), gaps(history), phantoms(history))


def lost(history: History) -> int:
    """Acknowledged, and not in the log at its place."""
    at = {(room, entry.offset): entry.nonce for room, log in history.log.items() for entry in log}
    return sum(
        operation.place is None or at.get((operation.room, operation.place.offset)) != operation.nonce
        for operation in history.acknowledged()
        if operation.room in history.log
    )


def doubled(history: History) -> int:
    """In the log again."""
    return sum(
        count - 1 for log in history.log.values() for count in Counter(entry.nonce for entry in log).values() if count
    )


def reordered(history: History) -> int:
    """Behind something in the log that was begun only after it was acknowledged."""
    return sum(1 for _ in checkers.ordered(history))


def gaps(history: History) -> int:
    """Not shown to somebody who should have seen it, or shown out of turn."""
    return sum(1 for _ in checkers.gapless(history))


def phantoms(history: History) -> int:
    """Shown to somebody, and not in the log; each entry counts once."""
    known = {(room, entry.offset, entry.chain) for room, log in history.log.items() for entry in log}
    shown = {
        (room, seen.entry.offset, seen.entry.chain)
        for (_, room), all_seen in history.seen.items()
        if room in history.log
        for seen in all_seen
    }
    return len(shown - known)


def outcomes(history: History) -> Counter[Outcome]:
    """How many operations ended how; one that nobody heard of any more is as one that was given up."""
    counted = Counter(operation.outcome for operation in history.operations)
    counted[Outcome.UNKNOWN] += counted.pop(Outcome.UNDER_WAY, 0)
    return counted


def latencies_s(operations: Iterable[Operation]) -> list[float]:
    """From asking to the acknowledgement, sorted."""
    return sorted(
        operation.completed_at - operation.invoked_at
        for operation in operations
        if operation.outcome is Outcome.STORED and operation.completed_at is not None
    )


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which this share of them lies; 0 of none."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def latency(history: History) -> Latency | None:
    """The distribution of what was acknowledged; None when nothing was."""
    times = latencies_s(history.operations)
    if not times:
        return None
    p50, p95, p99 = (round(quantile(times, share) * 1000, 1) for share in (0.5, 0.95, 0.99))
    return Latency(p50_ms=p50, p95_ms=p95, p99_ms=p99, max_ms=round(times[-1] * 1000, 1))


def spent(around: Circumstances) -> list[Spent]:
    """What each node's processes took."""
    found: dict[str, Spent] = {}
    for sample in around.samples:
        known = found.get(sample.part)
        found[sample.part] = Spent(
            part=sample.part,
            rss_first_bytes=known.rss_first_bytes if known else sample.rss_bytes,
            rss_max_bytes=max(known.rss_max_bytes if known else 0, sample.rss_bytes),
            descriptors_max=max(
                (one for one in (known.descriptors_max if known else None, sample.descriptors) if one is not None),
                default=None,
            ),
        )
    return list(found.values())
