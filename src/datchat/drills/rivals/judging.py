"""
What of the promise can be asked of a chat that gives its messages no offsets and no chain. Pure.

A message is known by its nonce, the end of its text. Where it stands in the history at the end is its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from datchat.client import Cursor
from datchat.drills import checkers, numbers
from datchat.drills.checkers import Checker
from datchat.drills.history import History


@dataclass
class View:
    """A page that shows messages as they come, from its opening on."""

    client: str
    room: str
    nonces: list[str] = field(default_factory=list)


def kept(history: History) -> Iterator[str]:
    """Acknowledged is kept: it is in the history."""
    there = _nonces(history)
    for operation in history.acknowledged():
        if operation.nonce not in there.get(operation.room, {operation.nonce}):
            yield f"{operation.client}'s {operation.nonce} was acknowledged and is not in the history"


def ordered(history: History) -> Iterator[str]:
    """What was acknowledged before something else was begun comes before it in the history."""
    yield from checkers.ordered(placed(history))


def gapless(history: History, views: Sequence[View]) -> Iterator[str]:
    """Who stayed was shown all of the history; a page that shows messages as they come, in its order and each once."""
    for client, room, missing in _missing(history):
        yield f"{client} was never shown {len(missing)} messages of {room} in a row, from {missing[0]} on"
    yield from _out_of_turn(history, views)


def safe(history: History) -> Iterator[str]:
    """What was shown is in the history."""
    for room, nonce in sorted(_phantoms(history)):
        yield f"{nonce} was shown in {room} and is not in the history"


def checkers_for(views: Sequence[View]) -> dict[str, Checker]:
    """The checkers that apply to every rival."""
    return {
        "kept": kept,
        "once": checkers.once,
        "ordered": ordered,
        "gapless": lambda history: gapless(history, views),
        "safe": safe,
    }


def counts(history: History, views: Sequence[View]) -> numbers.Counts:
    """What can be counted. A gap is one message that one person was never shown, or was shown out of turn."""
    return numbers.Counts(
        lost=sum(1 for _ in kept(history)),
        doubled=numbers.doubled(history),
        reordered=sum(1 for _ in ordered(history)),
        gaps=sum(len(missing) for _, _, missing in _missing(history)) + sum(1 for _ in _out_of_turn(history, views)),
        phantoms=len(_phantoms(history)),
    )


def placed(history: History) -> History:
    """The history with each acknowledged operation where its message stands at the end; without those that are lost."""
    places = {
        room: {entry.nonce: number for number, entry in reversed(list(enumerate(log, 1)))}
        for room, log in history.log.items()
    }
    operations = [
        replace(operation, place=Cursor(places[operation.room][operation.nonce], ""))
        for operation in history.acknowledged()
        if operation.nonce in places.get(operation.room, {})
    ]
    return History(operations=operations, log=history.log)


def _nonces(history: History) -> dict[str, set[str]]:
    return {room: {entry.nonce for entry in log} for room, log in history.log.items()}


def _missing(history: History) -> Iterator[tuple[str, str, list[str]]]:
    """Who was not shown what, by runs of messages that follow each other in the history."""
    for client, room in sorted(history.stayed):
        shown = {seen.entry.nonce for seen in history.seen.get((client, room), ())}
        run: list[str] = []
        for entry in history.log.get(room, ()):
            if entry.nonce not in shown:
                run.append(entry.nonce)
            elif run:
                yield client, room, run
                run = []
        if run:
            yield client, room, run


def _out_of_turn(history: History, views: Sequence[View]) -> Iterator[str]:
    places: Mapping[str, Mapping[str, int]] = {
        room: {entry.nonce: number for number, entry in enumerate(log)} for room, log in history.log.items()
    }
    for view in views:
        there = places.get(view.room, {})
        last, shown = "", set()
        for nonce in view.nonces:
            if nonce in shown:
                yield f"{view.client} was shown {nonce} of {view.room} again"
            elif nonce in there:
                if last and there[nonce] < there[last]:
                    yield f"{view.client} was shown {nonce} of {view.room} after {last}, which comes later"
                else:
                    last = nonce
            shown.add(nonce)


def _phantoms(history: History) -> set[tuple[str, str]]:
    there = _nonces(history)
    return {
        (room, seen.entry.nonce)
        for (_, room), shown in history.seen.items()
        for seen in shown
        if room in there and seen.entry.nonce not in there[room]
    }
