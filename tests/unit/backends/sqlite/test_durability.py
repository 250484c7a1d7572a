"""Acknowledged is kept: through ``kill -9``, a full disk and a disk that fails."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from datchat.backends.sqlite import SqliteBackend, open_sqlite
from datchat.backends.verify import verify
from datchat.chat import wire
from datchat.chat.model import LOBBY, START, Entry, RoomId
from datchat.errors import BackendError, Indeterminate, Unavailable
from support import appender
from support.drafts import message

ROUNDS = 6


async def everything(backend: SqliteBackend, room: RoomId) -> dict[int, Entry]:
    """A whole log by offset."""
    entries: dict[int, Entry] = {}
    cursor, more = START, True
    while more:
        page = await backend.broker.read(room, cursor, 1000)
        entries |= {entry.offset: entry for entry in page.entries}
        cursor, more = page.cursor, page.more
    return entries


async def test_a_killed_process_loses_nothing(path: Path) -> None:
    """Killed at random moments, again and again: what was acknowledged is there, in its place, once."""
    acknowledged: list[tuple[str, int, str, str]] = []
    for number in range(ROUNDS):
        run = [sys.executable, appender.__file__, str(path), f"round{number}"]
        with subprocess.Popen(run, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(random.randrange(1, 1500))]
            process.kill()
            lines += process.stdout.readlines()
        assert all(line.endswith(b"\n") for line in lines), "the process ran until it was killed"
        for line in lines:
            room, offset, chain, nonce = line.decode().split()
            acknowledged.append((room, int(offset), chain, nonce))
    backend = await open_sqlite(path)
    logs = {room: await everything(backend, RoomId(room)) for room in (LOBBY, appender.GARDEN)}
    for room, offset, chain, nonce in acknowledged:
        entry = logs[RoomId(room)][offset]
        assert (entry.chain, wire.content(entry).nonce) == (chain, nonce)
    for log in logs.values():
        nonces = [wire.content(entry).nonce for entry in log.values()]
        assert len(nonces) == len(set(nonces)), "nothing is stored twice"
    assert [finding.faults async for finding in verify(backend)] == [[], []]
    assert await backend.inspect() == []
    room, offset, _, nonce = acknowledged[-1]
    author = wire.content(logs[RoomId(room)][offset]).author
    again = await backend.broker.append(message(room=RoomId(room), author=author, nonce=nonce))
    assert (again.cursor.offset, again.duplicate) == (offset, True)
    await backend.close()


async def test_a_full_disk_refuses_and_recovers(backend: SqliteBackend, caplog: pytest.LogCaptureFixture) -> None:
    """Refused posts were surely not stored, what was stored stays, and it goes on when there is room again."""

    async def limit(pages: int) -> None:
        await backend._writer.act(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}").fetchone())

    await backend.broker.append(message("first"))
    (pages,) = await backend._writer.act(lambda connection: connection.execute("PRAGMA page_count").fetchone())
    await limit(pages + 5)
    outcomes: list[object] = []
    while not any(isinstance(outcome, Exception) for outcome in outcomes):
        batch = [backend.broker.append(message("x" * 2000)) for _ in range(5)]
        outcomes += await asyncio.gather(*batch, return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert all(type(error) is Unavailable and "the disk is full" in str(error) for error in refused)
    stored = 1 + len(outcomes) - len(refused)
    assert len(await everything(backend, LOBBY)) == stored
    await limit(10_000)
    assert (await backend.broker.append(message("after"))).cursor.offset == stored + 1
    assert [finding.faults async for finding in verify(backend)] == [[]]
    assert await backend.inspect() == []


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """Writes beyond a size fail, of all files of this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_disk_that_fails_leaves_it_open_what_happened(path: Path) -> None:
    """A commit whose writing failed may or may not have happened; a retry with the same nonce settles it."""
    backend = await open_sqlite(path)
    await backend.broker.append(message("first"))
    nonces = [f"nonce-{number}" for number in range(50)]
    stored: list[str] = []
    with files_end_at(os.stat(f"{path}-wal").st_size + 300_000), capture_logs() as logs:
        for nonce in nonces:
            try:
                await backend.broker.append(message("x" * 3000, nonce=nonce))
                stored.append(nonce)
            except BackendError as error:
                failure = error
                break
        with files_end_at(1), pytest.raises(BackendError):
            await backend.broker.check()
    assert {line["event"] for line in logs} == {"a transaction failed"}
    assert isinstance(failure, Indeterminate)
    assert 0 < len(stored) < 50
    for nonce in nonces:
        receipt = await backend.broker.append(message("x" * 3000, nonce=nonce))
        assert nonce not in stored or receipt.duplicate
    assert len(await everything(backend, LOBBY)) == 51
    await backend.close()
    backend = await open_sqlite(path)
    assert [finding.faults async for finding in verify(backend)] == [[]]
    assert len(await everything(backend, LOBBY)) == 51
    await backend.close()


async def test_a_log_that_cannot_be_written_takes_nothing_with_it(backend: SqliteBackend) -> None:
    """When the disk is full for the process's own log too, works still get their answer, and it goes on afterwards."""
    with open("/dev/full", "w") as full:
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(full))
        try:
            with files_end_at(1), pytest.raises(BackendError):
                await backend.broker.append(message())
            with pytest.raises(Unavailable):
                await backend._readers.read(lambda connection: connection.execute("SELECT * FROM nothing"))
        finally:
            structlog.reset_defaults()
            with contextlib.suppress(OSError):
                full.close()
    assert (await backend.broker.append(message())).cursor.offset == 1
