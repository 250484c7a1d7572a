"""What only a target that reaches into its parts' hosts and processes can do to them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol, runtime_checkable

from datchat.drills.targets import Ability, Target

HARMS: Final = frozenset({Ability.SLOW_LINK, Ability.SLOW_DISK, Ability.DEAFEN, Ability.JUMP_CLOCK})
"""The abilities that ``Harms`` stands for."""


class Harms(Protocol):
    """
    Each lasts as long as its context; entering and leaving raise ``TargetError`` when it can't be done.

    A part that ends meanwhile is none the worse for it, and starts unharmed.
    """

    @property
    def lacks(self) -> Mapping[Ability, str]:
        """What can't be done here, as ``Target.lacks`` says it."""
        ...

    def slow_link(self, part: str, delay_s: float) -> AbstractAsyncContextManager[None]:
        """Whatever a part sends to others arrives so much later."""
        ...

    def slow_disk(self, part: str, delay_s: float) -> AbstractAsyncContextManager[None]:
        """Whenever a part forces something to its disk that takes so much longer."""
        ...

    def deafen(self, node: str) -> AbstractAsyncContextManager[None]:
        """A node hears nothing more from the feed, neither by its subscription nor by a new one; all else works."""
        ...

    def jump_clock(self, part: str, by_s: int) -> AbstractAsyncContextManager[None]:
        """A part's time of day is off; what it measures durations by goes on as ever."""
        ...


@runtime_checkable
class Harmable(Protocol):
    """A target whose parts can be harmed so."""

    @property
    def harms(self) -> Harms: ...


def lack_of(target: Target, ability: Ability) -> str | None:
    """Why a target can't do something, to go on after a colon; None when it can."""
    if ability in HARMS and not isinstance(target, Harmable):
        return "that takes a cluster of `datchat up` (--target local)"
    return target.lacks.get(ability)
