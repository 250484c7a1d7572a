"""What is seen from outside while the address moves: who listens, and who holds the address."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from datchat.client import Client, Observer
from datchat.client.clock import boottime
from datchat.client.pushes import NodeName
from support.balancers import Pair
from support.crowd import OPTIONS
from support.eventually import eventually

LOOK_S = 0.02


class Listener(Observer):
    """Somebody who never says anything: only the client's own pings tell it that nobody is there any more."""

    def __init__(self, url: str, token: str) -> None:
        self.back_at = 0.0
        self.chat = Client(url, token, observer=self, options=OPTIONS)

    def connected(self, at: float, node: NodeName, url: str) -> None:
        self.back_at = at


async def all_back(listeners: list[Listener], since: float, timeout_s: float) -> float:
    """Wait until each has a connection that was made after ``since``; returns after how many seconds."""

    def last() -> float:
        back = [listener.back_at for listener in listeners if listener.chat.connected]
        return max(back) if len(back) == len(listeners) and min(back) > since else 0.0

    return await eventually(last, timeout_s, lambda: [listener.chat.trouble for listener in listeners]) - since


class Holders:
    """Who holds the address, looked at fifty times a second for as long as one is in here."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self._looks: list[tuple[float, list[str]]] = []

    async def __aenter__(self) -> Holders:
        self._task = asyncio.create_task(self._look())
        return self

    async def __aexit__(self, *ended: object) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _look(self) -> None:
        while True:
            self._looks.append((boottime(), [host.name for host in self._pair.holders()]))
            await asyncio.sleep(LOOK_S)

    def moved_at(self, name: str) -> float:
        """When this host was first seen with the address; 0 before."""
        return next((at for at, names in self._looks if name in names), 0.0)

    def two_until(self) -> float:
        """When two were last seen with it; 0 if never."""
        return max((at for at, names in self._looks if len(names) > 1), default=0.0)
