"""What comes out of a drill: the JSON that it prints. Its schema, docs/drill.schema.json, is made from here."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

SCHEMA_ID: Final = "drill.schema.json"

Moment = Annotated[float, Meta(description="Seconds since the drill began.")]
Lasting = Annotated[float, Meta(ge=0, description="A duration in seconds.")]
Count = Annotated[int, Meta(ge=0)]


class FaultResult(Struct, frozen=True, kw_only=True):
    """A fault and what followed it. Times after it are null when that did not happen."""

    kind: Annotated[
        str, Meta(description="kill, stop, pause, partition, switch, cut feeds, crash, drain, flood or freeze.")
    ]
    part: Annotated[str, Meta(description="The parts, comma-separated.")]
    at_s: Moment
    until_s: Moment
    silence_s: Annotated[float, Meta(description="The longest time without an acknowledgement until the next fault.")]
    detect_s: Annotated[float | None, Meta(description="Until a sentinel took a server for down.")] = None
    elect_s: Annotated[float | None, Meta(description="Until a sentinel was elected to lead a failover.")] = None
    promote_s: Annotated[float | None, Meta(description="Until a sentinel named another master.")] = None
    shown_again_s: Annotated[
        float | None, Meta(description="Until an entry was shown again after the longest silence, if it was one.")
    ] = None
    first_ack_s: Annotated[
        float | None, Meta(description="Until the first acknowledgement after the longest silence, if it was one.")
    ] = None


class Anomaly(Struct, frozen=True, kw_only=True):
    """Something that breaks the promise, with what is known about it."""

    checker: Annotated[str, Meta(description="Which checker found it.")]
    what: str
    story: Annotated[list[str], Meta(description="What happened around it, in order of time.")] = []


class Happening(Struct, frozen=True, kw_only=True):
    """Something that a part or the drill did."""

    at_s: Moment
    source: str
    what: str


class Latency(Struct, frozen=True, kw_only=True):
    """From asking to the acknowledgement, in milliseconds."""

    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


class Spent(Struct, frozen=True, kw_only=True):
    """What the processes of a node took."""

    part: str
    rss_first_bytes: Count
    rss_max_bytes: Count
    descriptors_max: Annotated[Count | None, Meta(description="Null where the target can't see them.")]


class Result(Struct, frozen=True, kw_only=True):
    """
    One drill.

    The words are Jepsen's. *Lost*: acknowledged, and not in the log at its place. *Doubled*: in the log more than once.
    *Reordered*: acknowledged before another was begun, and behind it in the log. *Gaps*: entries of a room that a
    client who should have seen them did not, or saw out of turn. *Phantoms*: shown to somebody, and not in the log.
    *Indefinite*: given up after it went out, so that it may or may not be stored.
    """

    verdict: Annotated[str, Meta(pattern="^(valid|invalid|unknown)$")]
    scenario: str
    system: Annotated[str, Meta(description="The chat that was drilled: Dat Chat, or a rival.")]
    seed: int
    target: str
    ack: Annotated[str, Meta(description="The rule by which posts were acknowledged; all is the promise's.")]
    clients: Count
    rate: Annotated[float, Meta(description="Posts a second that were aimed at.")]
    began: Annotated[str, Meta(description="When, as ISO 8601 in UTC.")]
    lasted_s: Lasting
    attempted: Count
    acknowledged: Count
    refused: Annotated[int, Meta(ge=0, description="Definitely not stored.")]
    indefinite: Count
    lost: Count
    doubled: Count
    reordered: Count
    gaps: Count
    phantoms: Count
    longest_silence_s: Lasting
    shown: Annotated[int, Meta(ge=0, description="Entries that were shown to somebody.")]
    connections: Annotated[int, Meta(ge=0, description="Times that somebody was connected.")]
    latency: Latency | None
    faults: list[FaultResult]
    anomalies: list[Anomaly]
    unknown: Annotated[dict[str, str], Meta(description="What could not be judged, and why.")]
    happenings: list[Happening]
    nodes: list[Spent]
    entries: Annotated[dict[str, int], Meta(description="Entries in each room's log at the end.")]
    versions: dict[str, str]
    command: Annotated[str, Meta(description="What repeats this drill.")]


class Results(Struct, frozen=True, kw_only=True):
    """Several drills. The verdict is the worst of theirs."""

    verdict: Annotated[str, Meta(pattern="^(valid|invalid|unknown)$")]
    drills: list[Result]


def schema() -> dict[str, Any]:
    """The JSON schema of what ``--json`` writes: one drill, or several."""
    (one, several), parts = msgspec.json.schema_components([Result, Results], ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "A drill of Dat Chat, or several",
        "oneOf": [one, several],
        "$defs": parts,
    }


def schema_text() -> bytes:
    """All of docs/drill.schema.json."""
    return msgspec.json.format(msgspec.json.encode(schema()), indent=2) + b"\n"


if __name__ == "__main__":
    sys.stdout.buffer.write(schema_text())
