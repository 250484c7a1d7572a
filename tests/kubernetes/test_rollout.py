"""A rolling update of the web nodes under many connected clients."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from datchat.drills.checkers import Verdict
from datchat.drills.history import History, Recorder
from support.crowd import Crowd
from support.kubernetes import WHOLE_S, chat, needs_cluster

pytestmark = [needs_cluster, pytest.mark.timeout(600)]

CLIENTS = 500
ACCOUNTS = 20
AWAY_S = 2.0
"""How long anybody may be without a connection."""
AT_ONCE = CLIENTS // 10
"""How many may come back in the same second."""
BUSY = 3.0
"""How much longer it may take on a machine that has other things to do."""


class Comings(History):
    """A history that also knows when each client was away."""

    def __init__(self) -> None:
        super().__init__()
        self.since: dict[str, float] = {}
        self.away_s: list[float] = []
        self.back_at: list[float] = []

    def recorder(self, client: str) -> Recorder:
        return Watch(self, client)


class Watch(Recorder):
    """Writes down what one client sees, and when it was away."""

    def __init__(self, history: Comings, client: str) -> None:
        super().__init__(history, client)
        self._comings = history
        self._name = client

    def disconnected(self, at: float, code: int, reason: str) -> None:
        super().disconnected(at, code, reason)
        self._comings.since[self._name] = at

    def connected(self, at: float, node: object, url: str) -> None:
        super().connected(at, node, url)
        if (since := self._comings.since.pop(self._name, None)) is not None:
            self._comings.away_s.append(at - since)
            self._comings.back_at.append(at)


async def test_nobody_is_away_for_long(running: str) -> None:
    """All nodes are replaced under 500 clients: each is back in a moment, they don't come at once, nothing is lost."""
    gathered = Crowd(running, ["lobby-of-many"])
    history = gathered.history = Comings()
    try:
        await gathered.gather(CLIENTS, ACCOUNTS)
        gathered.post(4)
        before = set(gathered.on_nodes())
        history.since.clear()

        chat("rollout", "restart", "deployment/web")
        await asyncio.to_thread(chat, "rollout", "status", "deployment/web", f"--timeout={WHOLE_S:.0f}s")
        async with asyncio.timeout(60):
            while set(gathered.on_nodes()) & before:
                await asyncio.sleep(0.2)
        judgement = await gathered.finish(120)
    finally:
        await gathered.leave()

    busiest = max(Counter(int(at) for at in history.back_at).values())
    away = sorted(history.away_s)
    print(f"away: median {away[len(away) // 2]:.2f} s, most {away[-1]:.2f} s; back in one second: at most {busiest}")
    assert judgement.verdict is Verdict.VALID, judgement
    assert len(away) >= CLIENTS
    assert away[-1] < AWAY_S * BUSY
    assert busiest <= AT_ONCE * 1.5
