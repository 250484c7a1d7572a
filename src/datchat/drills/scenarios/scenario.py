"""What a scenario is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from datchat.drills.stage import Stage
from datchat.drills.targets import Ability


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One way to break a cluster while people use it."""

    name: str
    text: str
    """A paragraph: what breaks, what one sees, what the promise says."""
    steps: Callable[[Stage], Awaitable[None]]
    """Breaks things and mends them. The cluster is whole before; that it is so after, the drill waits for."""
    lasts_s: float = 15.0
    """How long people use the chat, at least."""
    silence_s: float = 20.0
    """The longest time without an acknowledgement that is borne. Far above what is usual: machines are slow."""
    needs: frozenset[Ability] = frozenset()
    """What a target must be able to do for it, besides killing, stopping and starting parts."""
