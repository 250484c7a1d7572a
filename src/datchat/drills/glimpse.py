"""What can be seen of a drill while it runs. Pure, over the history so far; only the judge, at the end, knows."""

from __future__ import annotations

from dataclasses import dataclass

from datchat.drills.circumstances import Circumstances
from datchat.drills.history import History


@dataclass(frozen=True)
class Glimpse:
    """How things stand."""

    attempted: int
    acknowledged: int
    shown: int
    rate: float
    """Acknowledgements in the last second."""
    silence_s: float
    """Since the last acknowledgement."""
    anomalies: int
    """What is wrong already, whatever the log will say."""


def glimpse(history: History, around: Circumstances, now: float) -> Glimpse:
    """How things stand at ``now``."""
    acknowledged = history.acknowledged()
    times = [operation.completed_at for operation in acknowledged if operation.completed_at is not None]
    return Glimpse(
        attempted=len(history.operations),
        acknowledged=len(acknowledged),
        shown=sum(len(seen) for seen in history.seen.values()),
        rate=float(sum(at > now - 1 for at in times)),
        silence_s=now - max(times) if times else 0.0,
        anomalies=len(history.resets) + len(around.contradictions) + _in_one_place(history),
    )


def _in_one_place(history: History) -> int:
    """Posts that were acknowledged where another one already was."""
    taken: dict[tuple[str, int], str] = {}
    clashes = 0
    for operation in history.acknowledged():
        if operation.place is not None:
            first = taken.setdefault((operation.room, operation.place.offset), operation.nonce)
            clashes += first != operation.nonce
    return clashes
