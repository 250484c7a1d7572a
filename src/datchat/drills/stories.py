"""The story of an anomaly: what happened to the entry, to the client, and to the cluster around that time. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from datchat.drills.circumstances import Circumstances
from datchat.drills.history import History, Operation, Outcome

_END: Final = float("inf")
MOST: Final = 14
"""Lines of one story."""
_NONCE: Final = re.compile(r"\b[0-9a-f]{32}\b")
_CLIENT: Final = re.compile(r"\b[a-z]+(?:-[a-z]+)*-\d+(?:-\d+)?\b")

Told = tuple[float, str]


def story(history: History, around: Circumstances, what: str, began: float) -> list[str]:
    """What is known around an anomaly, in order of time, each line with the seconds since ``began``."""
    named = _NONCE.search(what)
    told: list[Told] = []
    for operation in history.operations:
        if named is not None and operation.nonce == named[0]:
            told += _of_operation(history, operation)
    if not told:
        for client in set(_CLIENT.findall(what)):
            told += islice(_of_client(history, client), MOST)
    if told:
        told += _of_faults(around, min(at for at, _ in told), max(at for at, _ in told))
    lines = [f"{_moment(at, began)}  {text}" for at, text in sorted(told)]
    if len(lines) > MOST:
        # The end tells what became of it.
        lines = [*lines[: MOST - 2], f"… {len(lines) - MOST + 1} more …", lines[-1]]
    return lines


def _moment(at: float, began: float) -> str:
    return "at the end" if at == _END else f"{max(0.0, at - began):8.3f} s"


def _of_operation(history: History, operation: Operation) -> Iterator[Told]:
    asked = f"asks to store {operation.text!r}" if operation.text is not None else "reacts or deletes"
    yield operation.invoked_at, f"{operation.client} {asked} in {operation.room} (nonce {operation.nonce})"
    if operation.completed_at is not None:
        if operation.outcome is Outcome.STORED:
            yield operation.completed_at, f"it is acknowledged at {operation.place}"
        else:
            yield operation.completed_at, f"it is {operation.outcome.value}: {operation.reason}"
    node = [(at, name) for at, client, name in history.connections if client == operation.client]
    held = [place for place in node if place[0] <= operation.invoked_at]
    if held:
        yield held[-1][0], f"{operation.client} is connected to {held[-1][1]}"
    for (client, room), seen in history.seen.items():
        if room == operation.room:
            for shown in seen:
                if shown.entry.nonce == operation.nonce:
                    yield shown.at, f"{client} is shown it at offset {shown.entry.offset}"
    if operation.place is not None:
        yield _END, _what_stands(history, operation.room, operation.place.offset)


def _what_stands(history: History, room: str, offset: int) -> str:
    for entry in history.log.get(room, ()):
        if entry.offset == offset:
            return f"{entry.nonce} ({entry.text!r}) stands at offset {offset}"
    return f"nothing stands at offset {offset}: the log has {len(history.log.get(room, ()))} entries"


def _of_client(history: History, client: str) -> Iterator[Told]:
    for at, name, node in history.connections:
        if name == client:
            yield at, f"{client} is connected to {node}"
    for reset in history.resets:
        if reset.client == client:
            yield reset.at, f"{client} has to start over in {reset.room}"


def _of_faults(around: Circumstances, since: float, until: float) -> Iterator[Told]:
    last = since if until == _END else until
    for fault in around.faults:
        if fault.at <= last + 10 and (fault.until is None or fault.until >= since - 10):
            yield fault.at, f"fault: {fault.kind} of {fault.part}"
            if fault.until is not None:
                yield fault.until, f"fault over: {fault.kind} of {fault.part}"
