"""Walking the logs of a store: what is wrong is found, and what is right is not."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest

from datchat.backends import verify as verifying
from datchat.backends.memory import MemoryBackend
from datchat.backends.sqlite import open_sqlite
from datchat.backends.verify import Finding, verify
from datchat.chat.model import LOBBY, START, Room, RoomId
from datchat.ports import Backend
from support.drafts import deletion, edit, message, reaction

DEN = RoomId("den")


async def fill(backend: Backend) -> None:
    """Three rooms: the lobby with 1,200 entries, a private archived one with 3, an empty one."""
    await backend.rooms.create(Room(id=DEN, title="Den", private=True, created_by="u_alice"))
    await backend.rooms.create(Room(id=RoomId("empty"), title="Empty"))
    for _ in range(1197):
        await backend.broker.append(message())
    for draft in (edit(1), reaction(2), deletion(3)):
        await backend.broker.append(draft)
    for _ in range(3):
        await backend.broker.append(message(room=DEN))
    await backend.rooms.update(Room(id=DEN, title="Den", archived=True))


async def findings(backend: Backend) -> dict[str, Finding]:
    return {finding.room: finding async for finding in verify(backend)}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database as ``fill`` makes it."""
    import asyncio

    path = tmp_path_factory.mktemp("filled") / "chat.db"

    async def make() -> None:
        backend = await open_sqlite(path)
        await fill(backend)
        await backend.close()

    asyncio.run(make())
    return path


@pytest.fixture
async def broken(filled: Path, tmp_path: Path) -> AsyncIterator[Callable[..., object]]:
    """Break a copy behind the backend's back, then open it."""
    opened: list[Backend] = []

    async def break_and_open(*statements: str) -> Backend:
        path = tmp_path / "chat.db"
        path.write_bytes(filled.read_bytes())
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for statement in statements:
                connection.execute(statement)
        opened.append(await open_sqlite(path, exclusive=False))
        return opened[0]

    yield break_and_open
    for backend in opened:
        await backend.close()


Break = Callable[..., AsyncIterator[Backend]]


async def test_a_sound_store_has_no_faults(broken: Callable[..., object]) -> None:
    """Every room is walked, private, archived and empty ones too."""
    memory = MemoryBackend()
    await fill(memory)
    for backend in (memory, await broken()):  # type: ignore[misc]
        found = await findings(backend)
        assert {room: (f.entries, list(f.faults)) for room, f in found.items()} == {
            LOBBY: (1200, []),
            DEN: (3, []),
            "empty": (0, []),
        }
        assert found[LOBBY].cursor == await backend.broker.top(LOBBY)
        assert found["empty"].cursor == START
        assert list(await backend.inspect()) == []


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("DELETE FROM entries WHERE {at} = 600", "offset 601 follows 599"),
        ("DELETE FROM entries WHERE {at} = 500", "offset 501 follows 499"),
        ("DELETE FROM entries WHERE {at} = 1", "offset 2 follows 0"),
        ("DELETE FROM entries WHERE {at} = 1200", "the log has no entry 1200:"),
        ("DELETE FROM entries WHERE {at} > 0", "it ends at 0:0000000000000000"),
        ("UPDATE entries SET body = replace(body, 'hello', 'hallo') WHERE {at} = 700", "the chain of offset 700"),
        ("UPDATE entries SET chain = '0123456789abcdef' WHERE {at} = 700", "the chain of offset 700"),
        ("UPDATE entries SET body = '{{' WHERE {at} = 700", "the content of offset 700 can't be read"),
        ("UPDATE entries SET body = x'ff' WHERE {at} = 700", "the content of offset 700 can't be read"),
        ("UPDATE entries SET chain = '0123456789abcdef' WHERE {at} = 1200", "the log has no entry 1200:"),
        (
            "UPDATE rooms SET top = 1199, chain = (SELECT chain FROM entries WHERE {at} = 1199) WHERE number = 1",
            "the log goes on to 1200:",
        ),
    ],
)
async def test_damage_is_found(broken: Callable[..., object], statement: str, fault: str) -> None:
    """A hole, a missing end, changed content, a changed chain: each gets its sentence; other rooms are told sound."""
    found = await findings(await broken(statement.format(at="room = 1 AND offset")))  # type: ignore[misc]
    assert any(fault in told for told in found[LOBBY].faults), found[LOBBY].faults
    assert len(found[LOBBY].faults) <= 3, "one fault is told once"
    assert list(found[DEN].faults) == []


async def test_faults_are_told_up_to_a_number(broken: Callable[..., object]) -> None:
    """A log that is wrong from end to end is told in few lines, with how many more there are."""
    backend = await broken("UPDATE entries SET body = '{' WHERE room = 1")  # type: ignore[misc]
    faults = (await findings(backend))[LOBBY].faults
    assert len(faults) == verifying.MAX_FAULTS + 1
    assert faults[-1] == f"and {2400 - verifying.MAX_FAULTS} more"


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("DELETE FROM rooms WHERE id = 'den'", "3 entries belong to no room"),
        ("DELETE FROM entries WHERE room = 1 AND offset = 600", "1 messages have no entry"),
        ("UPDATE rooms SET messages = messages + 1 WHERE number = 1", "1 rooms count messages wrong"),
        ("DELETE FROM messages WHERE room = 1 AND offset = 600", "1 messages of the log are not shown"),
    ],
)
async def test_what_does_not_fit_together_is_found(broken: Callable[..., object], statement: str, fault: str) -> None:
    """``inspect`` holds the tables of the database against each other."""
    backend = await broken(statement)  # type: ignore[misc]
    assert fault in await backend.inspect()


async def test_a_damaged_page_is_found(broken: Callable[..., object], tmp_path: Path) -> None:
    """``inspect`` reads every page, and ``verify`` says where a log can be read no more."""
    backend = await broken()  # type: ignore[misc]
    path = tmp_path / "chat.db"
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2 // 4096 * 4096)
        file.write(b"\xa5" * 4096 * 20)
    faults = [fault for finding in (await findings(backend)).values() for fault in finding.faults]
    assert any("it can't be read" in fault for fault in faults)
    told = await backend.inspect()
    assert any("damaged" in fault for fault in told)


async def test_a_store_in_use_is_walked(filled: Path, tmp_path: Path) -> None:
    """What a server appends meanwhile is no fault."""
    path = tmp_path / "chat.db"
    path.write_bytes(filled.read_bytes())
    server, tool = await open_sqlite(path), await open_sqlite(path, exclusive=False)
    walk = verify(tool)
    await server.broker.append(message())
    async for finding in walk:
        await server.broker.append(message())
        assert list(finding.faults) == []
    await tool.close()
    await server.close()
