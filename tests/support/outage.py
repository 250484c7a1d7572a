"""A store that can be away: the backend behind it stays as it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from datchat.backends.memory import MemoryBackend
from datchat.chat.model import Event, Interrupted, StoreState
from datchat.errors import Unavailable

REASON = "the store is away"
_LOCAL = frozenset({"events", "state"})
"""Methods of the ports that don't ask the store."""


class Outage:
    """
    Serves every port by a backend of its own until ``begin`` or ``hang``, and again after ``end``.

    ``asked`` counts the questions that were put while it was away.
    """

    def __init__(self, backend: MemoryBackend | None = None) -> None:
        self.backend = backend or MemoryBackend()
        self.away = False
        self.asked = 0
        self._present = asyncio.Event()
        self._present.set()
        self._hangs = False
        self._news: asyncio.Queue[Sequence[Event]] = asyncio.Queue()
        self._state = StoreState()
        self.broker: Any = _Port(self, self.backend.broker)
        self.accounts: Any = _Port(self, self.backend.accounts)
        self.rooms: Any = _Port(self, self.backend.rooms)
        self.presence: Any = _Port(self, self.backend.presence)

    def begin(self, since_ms: int = 0) -> None:
        """Every question is answered by ``Unavailable``; the feed tells that the store fails over."""
        self.away, self._hangs = True, False
        self._tell(StoreState(state="failing_over", since_ms=since_ms), told=since_ms > 0)

    def hang(self) -> None:
        """Every question is left unanswered until ``end``."""
        self.away = self._hangs = True
        self._present.clear()

    def end(self) -> None:
        """The store is back, and the feed does not vouch for what it missed."""
        self.away = self._hangs = False
        self._present.set()
        self._tell(StoreState(), told=True)
        self._news.put_nowait([Interrupted("the connection was lost")])

    def state(self) -> StoreState:
        return self._state

    async def events(self) -> AsyncIterator[Sequence[Event]]:
        """The backend's events and the outage's own."""
        hearing = asyncio.get_running_loop().create_task(self._pass_on())
        try:
            while True:
                batch = await self._news.get()
                if not batch:
                    return
                yield batch
        finally:
            hearing.cancel()

    async def _pass_on(self) -> None:
        async for batch in self.backend.broker.events():
            # What is published while the connection is lost is not heard.
            if not self.away:
                self._news.put_nowait(batch)
        self._news.put_nowait([])

    def _tell(self, state: StoreState, *, told: bool) -> None:
        self._state = state if told else self._state
        if told:
            self._news.put_nowait([state])

    async def inspect(self) -> Sequence[str]:
        return await self.backend.inspect()

    def counts(self) -> Mapping[str, int]:
        return self.backend.counts()

    async def close(self) -> None:
        await self.backend.close()

    async def answer(self, method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Ask the backend, unless it is away."""
        if self.away:
            self.asked += 1
            if not self._hangs:
                raise Unavailable(REASON)
            await self._present.wait()
        return await method(*arguments, **named)


class _Port:
    """One port of a backend that can be away."""

    def __init__(self, outage: Outage, port: Any) -> None:
        self._outage = outage
        self._port = port

    def __getattr__(self, name: str) -> Any:
        if name in _LOCAL:
            return getattr(self._outage, name)
        method = getattr(self._port, name)

        async def ask(*arguments: Any, **named: Any) -> Any:
            return await self._outage.answer(method, *arguments, **named)

        return ask
