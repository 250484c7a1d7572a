"""Who uses the chat in a drill: the people of a rival, or Dat Chat's."""

from __future__ import annotations

from collections.abc import Iterator

from datchat.drills.rivals.kinds import rival
from datchat.drills.rivals.workload import RivalWorkload
from datchat.drills.workload.datchat import DatChat
from datchat.drills.workload.workload import Workload


def people(name: str | None) -> Workload:
    """Those who use a rival, or Dat Chat where none is named; new ones for each drill."""
    return DatChat() if name is None else RivalWorkload(rival(name))


def left_out(scenario: str, name: str | None) -> Iterator[str]:
    """Why a scenario can't be played with these people."""
    people = DatChat if name is None else RivalWorkload
    if (why := people.leaves_out.get(scenario)) is not None:
        yield why
