"""A part of a running cluster and what has become of its process."""

from __future__ import annotations

import asyncio

from datchat.cluster.parts import Part, State
from datchat.cluster.process import Process


class Member:
    """A part, and the process that it has or had last."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.process: Process | None = None
        self.lock = asyncio.Lock()
        """Held while the part starts or stops, so that two commands at once don't start two processes."""
        self.told_to_end = False
        self.restarts = 0

    @property
    def alive(self) -> Process | None:
        return self.process if self.process is not None and self.process.running else None

    @property
    def state(self) -> State:
        if self.process is None or (not self.process.running and self.told_to_end):
            return State.STOPPED
        if not self.process.running:
            return State.FAILED
        return State.PAUSED if self.process.paused else State.RUNNING
