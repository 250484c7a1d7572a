"""How e-mails and names are told apart, and how a name that is in use gives way."""

from __future__ import annotations

from collections.abc import Callable
from unicodedata import normalize

from datchat.chat.model import LOBBY, Room


def folded(text: str) -> str:
    """
    What two texts that pass for the same have in common, so that neither case nor form makes a second account.

    It is the compatibility caseless match of the Unicode Standard, section 3.13, D146, composed.
    """
    once = normalize("NFKD", normalize("NFD", text).casefold())
    return normalize("NFKC", once.casefold())


def free_name(name: str, taken: Callable[[str], bool]) -> str:
    """``name``, or ``name-2``, ``name-3``…: the first whose folded form is not ``taken``."""
    candidate, number = name, 1
    while taken(folded(candidate)):
        number += 1
        candidate = f"{name}-{number}"
    return candidate


def room_order(room: Room) -> tuple[bool, str, str]:
    """Lobby first, then by title."""
    return (room.id != LOBBY, folded(room.title), room.id)
