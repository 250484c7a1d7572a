"""What an outsider may watch of a client: the history that a drill judges is written here."""

from __future__ import annotations

from datchat.chat import wire
from datchat.chat.model import Cursor, RoomId
from datchat.client.errors import ClientFailure
from datchat.client.events import Reset, RoomEntry
from datchat.client.pushes import NodeName, Stored


class Observer:
    """
    Called at once for everything that happens; ``at`` is the client's clock. Does nothing: override what you need.

    Every ``invoked`` is followed by exactly one ``completed``, at the latest when the client is closed.
    """

    def connected(self, at: float, node: NodeName, url: str) -> None:
        """A connection has said hello."""

    def disconnected(self, at: float, code: int, reason: str) -> None:
        """A connection that had said hello is gone."""

    def invoked(self, at: float, command: wire.Posting) -> None:
        """A command was taken into the outbox."""

    def completed(self, at: float, command: wire.Posting, outcome: Stored | ClientFailure) -> None:
        """It was acknowledged, or failed; the class of the failure says what is known."""

    def received(self, at: float, entry: RoomEntry) -> None:
        """An entry of a room came, the next one, and will be handed to whoever reads the room."""

    def reset(self, at: float, reset: Reset) -> None:
        """A room starts over."""

    def strayed(self, at: float, room: RoomId, after: Cursor, offset: int) -> None:
        """
        The server sent ``offset`` where the one behind ``after`` was due: it has left some out, or sent some again.

        The client makes up for it, and whoever reads the room never knows; the protocol rules it out all the same.
        """
