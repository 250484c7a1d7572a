"""Answers that come on a socket beside everything else, matched to what they answer."""

from __future__ import annotations

import asyncio
from typing import Final

from datchat.drills.rivals.rival import Gone

ANSWER_S: Final = 10.0
"""After how long a page takes an answer for lost: Socket.IO's own example (``ackTimeout: 10000``)."""


class Answers:
    """What was asked on one page and has no answer yet."""

    def __init__(self) -> None:
        self._awaited: dict[str, asyncio.Future[None]] = {}

    def came(self, key: str) -> None:
        """An answer came; one that nobody waits for any more is dropped."""
        waiting = self._awaited.pop(key, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    async def wait(self, key: str, closed: asyncio.Event) -> None:
        """
        Return when the answer has come.

        Raises:
            Gone: There was none within ``ANSWER_S``, or the page closed first.
        """
        waiting = self._awaited[key] = asyncio.get_running_loop().create_future()
        end = asyncio.create_task(closed.wait())
        try:
            await asyncio.wait([waiting, end], timeout=ANSWER_S, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                raise Gone("the page closed" if closed.is_set() else f"no answer within {ANSWER_S:g} s")
        finally:
            self._awaited.pop(key, None)
            end.cancel()
