"""
The asyncio client of the protocol: reads rooms without a gap and posts without a loss, across reconnects.

::

    async with Api(url) as api:
        session = await api.sign_in("alice@example.org", "correct horse")
    async with Client(url, session.token) as chat:
        room = await chat.join("lobby")
        await room.post("hello")
        async for event in room:
            if isinstance(event, RoomEntry):
                print(event.author.name, event.text)
"""

from datchat.chat.model import Cursor, Kind, User
from datchat.client.api import Api, RoomInfo, SignIn
from datchat.client.client import Client
from datchat.client.errors import (
    ClientFailure,
    Diverged,
    Ended,
    NotStored,
    OutboxFull,
    Refused,
    Unconfirmed,
    Unreachable,
)
from datchat.client.events import Reset, RoomEntry, RoomEvent
from datchat.client.observer import Observer
from datchat.client.options import Options
from datchat.client.pending import Pending
from datchat.client.pushes import News, ReadNews, RefusedPush, RoomNews, RosterNews, Stored, StoreNews, TypingNews
from datchat.client.room import Room

__all__ = [
    "Api",
    "Client",
    "ClientFailure",
    "Cursor",
    "Diverged",
    "Ended",
    "Kind",
    "News",
    "NotStored",
    "Observer",
    "Options",
    "OutboxFull",
    "Pending",
    "ReadNews",
    "Refused",
    "RefusedPush",
    "Reset",
    "Room",
    "RoomEntry",
    "RoomEvent",
    "RoomInfo",
    "RoomNews",
    "RosterNews",
    "SignIn",
    "StoreNews",
    "Stored",
    "TypingNews",
    "Unconfirmed",
    "Unreachable",
    "User",
]
