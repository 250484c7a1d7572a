"""Messages that come with their place in the history: the identifier of an entry of a Redis stream."""

from __future__ import annotations

from collections.abc import Mapping

from datchat.drills.rivals.rival import Guest, Message, Show


def as_message(room: str, line: Mapping[str, str]) -> Message:
    """A message as such a chat sends it."""
    return Message(room, line["text"], line["place"])


def shown(guest: Guest, message: Message, show: Show) -> None:
    """Show a message, and remember from where to go on."""
    show(message)
    if _order(message.place) > _order(guest.places.get(message.room, "")):
        guest.places[message.room] = message.place


def _order(place: str) -> tuple[int, int]:
    at, _, number = (place or "0-0").partition("-")
    return int(at), int(number)
