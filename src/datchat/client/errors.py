"""
What can go wrong for a client, and what is then known.

::

    DatChatError
    └─ ClientFailure            base of all that the client raises itself
       ├─ Refused               the server's answer was no: nothing was stored
       ├─ NotStored             given up before it ever went out: nothing was stored
       ├─ Unconfirmed           given up after it went out: it may or may not be stored
       ├─ Ended                 this client is over: the server wants it back no more
       ├─ Diverged              the log that the server tells does not follow from what it told before
       ├─ OutboxFull            too much waits already; nothing was taken
       └─ Unreachable           HTTP only: no answer came
"""

from __future__ import annotations

from datchat.chat.model import Cursor, RoomId
from datchat.errors import DatChatError


class ClientFailure(DatChatError):
    """Base of the client's own errors. Never raised itself."""


class Refused(ClientFailure):
    """The server refused for good; ``code`` is the protocol's. Nothing was stored."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    def __str__(self) -> str:
        return f"{self.code}: {self.args[0]}"


class NotStored(ClientFailure):
    """Given up, and definitely not stored."""


class Unconfirmed(ClientFailure):
    """Given up, and it may or may not be stored: it was under way and the answer never came."""


class Ended(ClientFailure):
    """The server ended this client for good; ``code`` is a close code (4500 to 4999) or an HTTP status."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{reason} ({code})" if reason else str(code))
        self.code = code
        self.reason = reason


class Diverged(ClientFailure):
    """
    The server told something that can't follow ``cursor``, the last place of the room that was right: a wrong chain,
    or offsets left out of a ``joined``. The text says what. Joining again without a cursor starts over.
    """

    def __init__(self, room: RoomId, cursor: Cursor | None, what: str) -> None:
        super().__init__(f"{room} after {cursor}: {what}")
        self.room = room
        self.cursor = cursor
        self.what = what


class OutboxFull(ClientFailure):
    """The outbox holds as many drafts as it may; this one was not taken."""


class Unreachable(ClientFailure):
    """No answer came over HTTP. Of an unsafe request nothing is known."""
