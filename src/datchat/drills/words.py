"""The verdict in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from datchat.drills.result import Result

MOST_TOLD: Final = 5
"""Anomalies that are told on the terminal; the report has them all."""


OURS: Final = "Dat Chat"
"""The chat that has promised; others are only held against it."""


def sentence(result: Result) -> str:
    """What came out, in a sentence or two."""
    if result.verdict == "valid":
        return (
            f"{result.acknowledged:,} posts were acknowledged: none is lost, doubled or out of order. "
            f"People saw {result.shown:,} entries without a gap over {result.connections:,} connections. "
            f"The longest silence was {result.longest_silence_s:.1f} s."
        )
    if result.verdict == "unknown":
        return "It can't be judged: " + "; ".join(f"{name}: {why}" for name, why in result.unknown.items()) + "."
    broken = "The promise was broken." if result.system == OURS else "It does not keep what Dat Chat promises."
    return (
        f"{broken} Of {result.acknowledged:,} posts that were acknowledged {result.lost:,} are lost, "
        f"{result.doubled:,} doubled, {result.reordered:,} out of order; people missed entries {result.gaps:,} times "
        f"and were shown {result.phantoms:,} that vanished."
    )


def told(result: Result) -> Iterator[str]:
    """The verdict for a terminal, line by line."""
    whose = "" if result.system == OURS else f" of {result.system}"
    yield f"{result.scenario}{whose}: {result.verdict}"
    yield f"  {sentence(result)}"
    for fault in result.faults:
        after = f", acknowledged again after {fault.first_ack_s:.1f} s" if fault.first_ack_s is not None else ""
        yield f"  {fault.at_s:6.1f} s  {fault.kind} of {fault.part} for {fault.until_s - fault.at_s:.1f} s{after}"
    for anomaly in result.anomalies[:MOST_TOLD]:
        yield f"  {anomaly.checker}: {anomaly.what}"
    if len(result.anomalies) > MOST_TOLD:
        yield f"  … and {len(result.anomalies) - MOST_TOLD} more"
    if result.verdict == "invalid":
        yield from (f"  {name} can't be judged: {why}" for name, why in result.unknown.items())
    if result.verdict != "valid":
        yield f"  again: {result.command}"
