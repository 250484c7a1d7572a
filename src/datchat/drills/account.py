"""The account of a drill: everything that is known, brought into the form of a ``Result``. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

from datchat.drills import numbers
from datchat.drills.checkers import Judgement
from datchat.drills.circumstances import Circumstances
from datchat.drills.happenings import Line, first_after
from datchat.drills.history import History, Outcome
from datchat.drills.result import Anomaly, FaultResult, Happening, Result
from datchat.drills.stories import story

SILENCE_S: Final = 0.5
"""A pause of this length is taken for a silence."""
MOST_HAPPENINGS: Final = 400
"""Lines of the parts' logs that are kept; the first ones."""


@dataclass(kw_only=True)
class Record:
    """What was written down while a drill ran."""

    scenario: str
    system: str
    seed: int
    target: str
    ack: str
    clients: int
    rate: float
    command: str
    versions: Mapping[str, str]
    began: float
    """By the clients' clock."""
    wall_began: float
    """The same moment in seconds since 1970."""
    ended: float = 0.0
    history: History = field(default_factory=History)
    around: Circumstances = field(default_factory=Circumstances)
    lines: list[Line] = field(default_factory=list)
    """What the parts said, in order."""

    def wall(self, at: float) -> float:
        """A moment of the clients' clock, in seconds since 1970."""
        return self.wall_began + at - self.began


def account(record: Record, judgement: Judgement, counts: numbers.Counts) -> Result:
    """All of it, with the judgement on it."""
    history, around = record.history, record.around
    ends = numbers.outcomes(history)
    talked = around.load_until > around.load_from
    silence_s = history.longest_silence_s(around.load_from, around.load_until) if talked else 0.0
    return Result(
        verdict=judgement.verdict.value,
        scenario=record.scenario,
        system=record.system,
        seed=record.seed,
        target=record.target,
        ack=record.ack,
        clients=record.clients,
        rate=record.rate,
        began=datetime.fromtimestamp(record.wall_began, UTC).isoformat(timespec="milliseconds"),
        lasted_s=round(record.ended - record.began, 3),
        attempted=len(history.operations),
        acknowledged=ends[Outcome.STORED],
        refused=ends[Outcome.FAILED],
        indefinite=ends[Outcome.UNKNOWN],
        lost=counts.lost,
        doubled=counts.doubled,
        reordered=counts.reordered,
        gaps=counts.gaps,
        phantoms=counts.phantoms,
        longest_silence_s=round(silence_s, 3),
        shown=sum(len(seen) for seen in history.seen.values()),
        connections=len(history.connections),
        latency=numbers.latency(history),
        faults=_faults(record),
        anomalies=[
            Anomaly(checker=name, what=what, story=story(history, around, what, record.began))
            for name, faults in judgement.faults.items()
            for what in faults
        ],
        unknown=dict(judgement.unknown),
        happenings=_happenings(record),
        nodes=numbers.spent(around),
        entries={room: len(log) for room, log in history.log.items()},
        versions=dict(record.versions),
        command=record.command,
    )


def _faults(record: Record) -> list[FaultResult]:
    found = []
    faults = record.around.faults
    acknowledgements = sorted(
        operation.completed_at for operation in record.history.acknowledged() if operation.completed_at is not None
    )
    views = sorted(seen.at for shown in record.history.seen.values() for seen in shown)
    for number, fault in enumerate(faults):
        until = min([*(later.at for later in faults[number + 1 :]), record.around.load_until or record.ended])
        wall, wall_until = record.wall(fault.at), record.wall(until)
        found.append(
            FaultResult(
                kind=fault.kind,
                part=fault.part,
                at_s=round(fault.at - record.began, 3),
                until_s=round((fault.until or record.ended) - record.began, 3),
                silence_s=round(record.around.silence_s(record.history, fault), 3),
                detect_s=first_after(record.lines, wall, wall_until, "+sdown", "+odown"),
                elect_s=first_after(record.lines, wall, wall_until, "+elected-leader"),
                promote_s=first_after(record.lines, wall, wall_until, "+switch-master"),
                shown_again_s=back_after_s(views, fault.at, until),
                first_ack_s=back_after_s(acknowledgements, fault.at, until),
            )
        )
    return found


def _happenings(record: Record) -> list[Happening]:
    return [
        Happening(at_s=round(line.at - record.wall_began, 3), source=line.source, what=f"{line.event} {line.text}")
        for line in record.lines[:MOST_HAPPENINGS]
    ]


def back_after_s(times: Sequence[float], at: float, until: float) -> float | None:
    """When things went on after the longest silence that followed a moment; None when there was none."""
    within = [at, *(moment for moment in times if at < moment <= until)]
    longest, back = max(((after - before, after) for before, after in pairwise(within)), default=(0.0, at))
    return round(back - at, 3) if longest >= SILENCE_S else None
