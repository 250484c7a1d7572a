"""The seam on the clients' side: who uses the chat that is drilled, in its own tongue, and what is asked of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from datchat.drills.checkers import Checker
from datchat.drills.circumstances import Circumstances
from datchat.drills.history import History
from datchat.drills.numbers import Counts
from datchat.drills.workload.crowd import Crowd


class Workload(Protocol):
    """
    Everything of a drill that speaks the chat's protocol. What goes wrong in the drill itself raises ``TargetError``,
    ``ClientFailure`` or ``TimeoutError``, and makes the verdict unknown.
    """

    @property
    def system(self) -> str:
        """The chat's name."""
        ...

    @property
    def versions(self) -> Mapping[str, str]:
        """What runs there beyond what the target knows, by name."""
        ...

    @property
    def leaves_out(self) -> Mapping[str, str]:
        """The scenarios that these people can't play, each with why, to go on after a colon."""
        ...

    def rooms(self) -> list[str]:
        """Names of rooms for one drill."""
        ...

    async def let_in(self, crowd: Crowd, lasts_s: float) -> None:
        """Have everybody arrive and begin what they do, which is recorded in the crowd's history."""
        ...

    async def let_more_in(self, crowd: Crowd, count: int) -> None:
        """Have so many further readers arrive and read."""
        ...

    async def read_log(self, crowd: Crowd, room: str) -> None:
        """Write down a room's log, from its first entry on, in the crowd's history."""
        ...

    async def level(self, crowd: Crowd) -> None:
        """Return when everybody who reads has seen the whole log, or has had time enough for it."""
        ...

    def checkers(self, around: Circumstances) -> Mapping[str, Checker]:
        """What the chat is judged by."""
        ...

    def counts(self, history: History) -> Counts:
        """What can be counted of it."""
        ...
