"""Presence in the process's own memory: that it does not grow."""

from __future__ import annotations

from datchat.backends.presence import LocalPresence
from datchat.chat.model import RoomId
from support.clock import Clock
from support.drafts import ALICE, BOB


async def test_empty_rooms_are_forgotten() -> None:
    """A room that everybody left, or whose leases have ended, takes no memory after its next call."""
    clock = Clock()
    presence = LocalPresence(clock)
    for number in range(100):
        await presence.touch(RoomId(f"r-{number}"), "web0", [ALICE], 10)
        await presence.drop(RoomId(f"r-{number}"), "web0", [ALICE.id])
    assert presence._rosters == {}
    await presence.touch(RoomId("garden"), "web0", [ALICE], 10)
    await clock.advance(10)
    assert await presence.roster(RoomId("garden")) == []
    assert presence._rosters == {}
    await presence.touch(RoomId("garden"), "web0", [ALICE], 10)
    await clock.advance(10)
    await presence.touch(RoomId("garden"), "web0", [BOB], 10)
    assert len(presence._rosters[RoomId("garden")]) == 1
