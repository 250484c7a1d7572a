"""
A process that appends as fast as it can and prints each acknowledgement, to be killed: ``python appender.py PATH TAG``.

A line is ``room offset chain nonce``, written in one piece after the receipt.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from itertools import count

from datchat.backends.sqlite import open_sqlite
from datchat.chat.model import LOBBY, Draft, Kind, Room, RoomId, User
from datchat.errors import Taken

WRITERS = 40
GARDEN = RoomId("garden")


async def main(path: str, tag: str) -> None:
    backend = await open_sqlite(path)
    with contextlib.suppress(Taken):
        await backend.rooms.create(Room(id=GARDEN, title="Garden"))

    async def write(writer: int) -> None:
        user = User(f"u_{writer}", f"writer {writer}")
        room = GARDEN if writer % 4 == 0 else LOBBY
        for number in count():
            nonce = f"{tag}-{writer}-{number}"
            draft = Draft(room=room, kind=Kind.MESSAGE, author=user, nonce=nonce, at=number, via="web0", text="x" * 99)
            offset, chain = (await backend.broker.append(draft)).cursor
            os.write(1, f"{room} {offset} {chain} {nonce}\n".encode())

    await asyncio.gather(*map(write, range(WRITERS)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
