"""What a report draws: rates and latencies over time, and a line of time for each client. Pure."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from datchat.drills.circumstances import Circumstances
from datchat.drills.history import History, Outcome
from datchat.drills.numbers import quantile

STEP_S: Final = 0.25


class Lane(Struct, frozen=True, kw_only=True):
    """One client over time: when it was connected to which node, and how much it posted and was shown in each step."""

    client: str
    connections: list[tuple[float, str]]
    acknowledged: list[int]
    shown: list[int]


class Series(Struct, frozen=True, kw_only=True):
    """One value a step; ``None`` where there was nothing to measure."""

    at_s: list[float]
    attempted: list[float]
    acknowledged: list[float]
    shown: list[float]
    p50_ms: list[float | None]
    p99_ms: list[float | None]
    lanes: list[Lane]


def series(history: History, around: Circumstances, began: float, ended: float) -> Series:
    """Everything that is drawn; times count from ``began``."""
    steps = max(1, int((ended - began) / STEP_S) + 1)

    def step(at: float) -> int:
        return min(steps - 1, max(0, int((at - began) / STEP_S)))

    attempted, acknowledged, shown = ([0] * steps for _ in range(3))
    times: list[list[float]] = [[] for _ in range(steps)]
    by_client: dict[str, tuple[list[int], list[int]]] = {}

    def lane(client: str) -> tuple[list[int], list[int]]:
        return by_client.setdefault(client, ([0] * steps, [0] * steps))

    for operation in history.operations:
        attempted[step(operation.invoked_at)] += 1
        if operation.outcome is Outcome.STORED and operation.completed_at is not None:
            here = step(operation.completed_at)
            acknowledged[here] += 1
            times[here].append(operation.completed_at - operation.invoked_at)
            lane(operation.client)[0][here] += 1
    for (client, _), seen in history.seen.items():
        for entry in seen:
            shown[step(entry.at)] += 1
            lane(client)[1][step(entry.at)] += 1
    places: dict[str, list[tuple[float, str]]] = {}
    for at, client, node in history.connections:
        places.setdefault(client, []).append((round(at - began, 3), node))
        lane(client)
    for found in times:
        found.sort()
    return Series(
        at_s=[round(number * STEP_S, 3) for number in range(steps)],
        attempted=[count / STEP_S for count in attempted],
        acknowledged=[count / STEP_S for count in acknowledged],
        shown=[count / STEP_S for count in shown],
        p50_ms=[round(quantile(found, 0.5) * 1000, 2) if found else None for found in times],
        p99_ms=[round(quantile(found, 0.99) * 1000, 2) if found else None for found in times],
        lanes=[
            Lane(client=client, connections=places.get(client, []), acknowledged=acked, shown=seen_then)
            for client, (acked, seen_then) in sorted(by_client.items())
        ],
    )
