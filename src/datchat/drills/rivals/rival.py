"""What a rival is: the adapter by which a drill's people use another chat."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

_NONCE: Final = re.compile(r"\b[0-9a-f]{32}\b")


class Gone(Exception):
    """The page is closed, or what was asked has no answer: it may or may not have been done."""


class Busy(Exception):
    """The chat says that it can't just now. It may have done it all the same."""


class Message(NamedTuple):
    """A message as it is posted or shown. Its text ends with its nonce: the chat need not know of nonces."""

    room: str
    text: str
    place: str = ""
    """Where it is in the room's history, as the chat says; empty where it says nothing."""

    @property
    def nonce(self) -> str:
        found = _NONCE.findall(self.text)
        return found[-1] if found else ""


@dataclass
class Guest:
    """Somebody who uses a rival: what it knows them by, and what their page remembers."""

    name: str
    cookie: str = ""
    places: dict[str, str] = field(default_factory=dict)
    """By room, the furthest place of a message that was shown."""


class Page(Protocol):
    """An open page: a connection, from its opening to its end."""

    @property
    def closed(self) -> asyncio.Event:
        """Set when the connection has ended."""
        ...

    async def post(self, message: Message) -> None:
        """
        Send a message and return when the chat has acknowledged it, in the way that it has.

        Raises:
            Gone: The page closed, or there was no answer in time.
            Busy: The chat said that it could not.
        """
        ...


Show = Callable[[Message], None]


class Rival(Protocol):
    """Another chat. Each act raises ``Gone`` when it can't be reached, and ``Busy`` when it says that it can't."""

    system: str
    """Its name."""
    versions: Mapping[str, str]
    """What runs, by name."""
    knows_again: bool
    """Whether it knows a message that is sent again, so that pages may do so until it is acknowledged."""
    numbered: bool
    """Whether each message comes with its place: a page shows it there, and once."""

    def rooms(self) -> list[str]:
        """Names of rooms for one drill."""
        ...

    async def arrive(self, url: str, name: str) -> Guest:
        """Have somebody sign up and sign in, where there is such a thing."""
        ...

    def visit(self, guest: Guest, url: str, rooms: Sequence[str], show: Show) -> AbstractAsyncContextManager[Page]:
        """Open a page on all rooms: ``show`` is called with what was said and what is said while it is open."""
        ...

    async def history(self, guest: Guest, url: str, room: str) -> list[Message]:
        """All that a room holds, oldest first."""
        ...
