"""Looking back after a switch."""

from __future__ import annotations

import pytest

from datchat.backends.redis import witness
from datchat.backends.redis.witness import Witness
from datchat.chat.model import LOBBY, Cursor, RoomId
from support.clock import Clock

GARDEN = RoomId("garden")


def log_with(*cursors: Cursor):  # type: ignore[no-untyped-def]
    """A log that has these entries in every room."""
    asked: list[dict[RoomId, Cursor]] = []

    async def chains(wanted: dict[RoomId, Cursor]) -> dict[RoomId, str | None]:
        asked.append(wanted)
        held = dict(cursors)
        return {room: held.get(cursor.offset) for room, cursor in wanted.items()}

    return chains, asked


async def test_a_log_that_has_everything_is_fine() -> None:
    """The last acknowledged entry of a room is looked for: its chain vouches for those before it."""
    watcher = Witness(Clock())
    for cursor in (Cursor(1, "a"), Cursor(3, "c"), Cursor(2, "b")):
        watcher.note(LOBBY, cursor)
    chains, asked = log_with(Cursor(3, "c"))
    await watcher.check(chains)
    assert asked == [{LOBBY: Cursor(3, "c")}]
    assert watcher.missing == 0


@pytest.mark.parametrize("held", [[], [Cursor(3, "x")]], ids=["gone", "another"])
async def test_what_is_missing_is_counted_once(held: list[Cursor]) -> None:
    """An entry that is gone, or another in its place, was acknowledged in vain."""
    watcher = Witness(Clock())
    watcher.note(LOBBY, Cursor(3, "c"))
    watcher.note(GARDEN, Cursor(3, "x"))
    chains, _ = log_with(*held)
    await watcher.check(chains)
    await watcher.check(chains)
    assert watcher.missing == (1 if held else 2)


async def test_only_the_last_minute_is_looked_for() -> None:
    """What is older was looked for after the switches before."""
    clock = Clock()
    watcher = Witness(clock)
    watcher.note(LOBBY, Cursor(3, "c"))
    clock.now += witness.RECENT_S + 1
    watcher.note(GARDEN, Cursor(1, "a"))
    chains, asked = log_with(Cursor(1, "a"))
    await watcher.check(chains)
    assert asked == [{GARDEN: Cursor(1, "a")}]


async def test_the_longest_quiet_room_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rooms are remembered up to a number."""
    monkeypatch.setattr(witness, "MAX_ROOMS", 2)
    watcher = Witness(Clock())
    for room in ("one", "two", "one", "three"):
        watcher.note(RoomId(room), Cursor(1, "a"))
    chains, asked = log_with(Cursor(1, "a"))
    await watcher.check(chains)
    assert list(asked[0]) == ["one", "three"]
