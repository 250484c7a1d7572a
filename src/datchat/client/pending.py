"""A command that is on its way, for many in flight."""

from __future__ import annotations

import asyncio
from collections.abc import Generator

from datchat.client.errors import ClientFailure
from datchat.client.pushes import Stored


class Pending:
    """
    A command in the outbox. Await it for its ``Stored``, or the error that ended it; several may await it, or nobody.
    """

    __slots__ = ("_future", "nonce", "room")

    def __init__(self, room: str, nonce: str) -> None:
        self.room = room
        self.nonce = nonce
        self._future: asyncio.Future[Stored] = asyncio.get_running_loop().create_future()

    def __await__(self) -> Generator[object, None, Stored]:
        # Shielded: who stops waiting does not take the answer from the others.
        return asyncio.shield(self._future).__await__()

    def done(self) -> bool:
        return self._future.done()

    def settle(self, outcome: Stored | ClientFailure) -> None:
        """For the client: what became of it."""
        if isinstance(outcome, ClientFailure):
            self._future.set_exception(outcome)
            self._future.exception()  # nobody has to await it
        else:
            self._future.set_result(outcome)
