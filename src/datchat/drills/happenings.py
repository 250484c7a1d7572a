"""What the parts say of a failover in their logs: Sentinel's events, and the nodes' own words. Pure."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple


class Line(NamedTuple):
    """An event in a part's log; ``at`` is in seconds since 1970."""

    at: float
    source: str
    event: str
    text: str


TOLD: Final = frozenset(
    {
        "+sdown", "-sdown", "+odown", "-odown", "+try-failover", "+elected-leader", "+selected-slave",
        "+promoted-slave", "+switch-master", "+failover-end", "+failover-detected", "-failover-abort-not-elected",
        "-failover-abort-no-good-slave",
    }
)  # fmt: skip
"""Sentinel's events that tell the story of a failover."""
_STAMP: Final = r"^(?:(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z) )?"
"""When a line was said, by whoever kept it."""
_SENTINEL: Final = re.compile(
    _STAMP + r"\d+:X (\d\d \w{3} \d{4} \d\d:\d\d:\d\d)\.(\d{3}) \S ([+-][a-z-]+) (.*)$", re.MULTILINE
)
_NODE: Final = re.compile(
    _STAMP + r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z) \[(warning|error|critical) *\] (.*)$", re.MULTILINE
)


def of_sentinel(name: str, log: str) -> Iterator[Line]:
    """Sentinel's events, at the times at which the lines were said; else its own times, of this machine's zone."""
    for said, moment, milliseconds, event, text in _SENTINEL.findall(log):
        if event not in TOLD:
            continue
        if said:
            at = datetime.fromisoformat(said).timestamp()
        else:
            at = time.mktime(time.strptime(moment, "%d %b %Y %H:%M:%S")) + int(milliseconds) / 1000
        yield Line(at, name, event, text)


def of_node(name: str, log: str) -> Iterator[Line]:
    """What a node found worth a warning."""
    for _, moment, level, text in _NODE.findall(log):
        yield Line(datetime.fromisoformat(moment).timestamp(), name, level, text)


def first_after(lines: Sequence[Line], at: float, until: float, *events: str) -> float | None:
    """How long after a moment one of these events came first; None when none did before ``until``."""
    times = [line.at for line in lines if line.event in events and at <= line.at <= until]
    return round(min(times) - at, 3) if times else None
