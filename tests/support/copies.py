"""Backup and restore, as everybody has to see them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from secrets import token_hex

from datchat.client import Client
from support.people import fresh, person

POSTS, HALF = 600, 1500
"""1.8 MB that can't be compressed by more than half: more than any pipe on the way holds."""


async def comes_back(
    url: Callable[[], str], backup: Callable[[Path], None], restore: Callable[[Path], None], folder: Path
) -> None:
    """What was said before a backup is there after the restore, and what was said after it is not."""
    who = await person(url(), fresh("keeper"))
    copy = folder / "chat.rdb"
    async with Client(url(), who.token) as alice:
        room = await alice.join("lobby")
        for _ in range(POSTS // 50):
            await asyncio.gather(*(room.post(token_hex(HALF)) for _ in range(50)))
        kept = await room.post("before the backup")
        await asyncio.to_thread(backup, copy)
        assert copy.stat().st_size > POSTS * HALF
        lost = await room.post("after the backup")

    await asyncio.to_thread(restore, copy)

    async with Client(url(), who.token) as alice:
        after = await (await alice.join("lobby")).post("after it came back")
    assert after.offset == kept.offset + 1 == lost.offset
