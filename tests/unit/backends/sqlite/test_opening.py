"""Opening: what can't be used is refused with one sentence that says what to do, and left as it was."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from datchat.backends import open_backend
from datchat.backends.sqlite import open_sqlite, schema
from datchat.backends.sqlite.lock import Lock
from datchat.chat.model import LOBBY, START
from datchat.errors import ConfigurationError, Unavailable
from datchat.ports import Account
from support.drafts import message
from unit.backends.sqlite.conftest import unchanged


async def refusal(path: Path, *, exclusive: bool = True) -> str:
    """The sentence with which opening is refused."""
    with pytest.raises(ConfigurationError) as caught:
        await open_sqlite(path, exclusive=exclusive)
    sentence = str(caught.value)
    assert str(path) in sentence or str(path.parent) in sentence
    assert "\n" not in sentence
    return sentence


async def test_a_new_database_is_ours_alone(path: Path) -> None:
    """It bears our mark and version, and nobody else may read it."""
    backend = await open_sqlite(path)
    await backend.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (schema.APPLICATION_ID,)
        assert connection.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_an_empty_file_becomes_a_database(path: Path) -> None:
    """As a file that was made by whoever set up the machine."""
    path.touch()
    backend = await open_sqlite(path)
    assert (await backend.broker.append(message())).cursor.offset == 1
    await backend.close()


async def test_what_was_written_is_there_after_a_restart(path: Path) -> None:
    """Log, nonces, accounts, rooms and markers outlive the process."""
    backend = await open_sqlite(path)
    first = await backend.broker.append(message(nonce="same"))
    account = Account(id="u_1", email="a@example.org", name="a", password_hash="", created_at=0)
    await backend.accounts.create(account)
    await backend.rooms.mark_read("u_alice", LOBBY, 1)
    await backend.close()
    backend = await open_sqlite(path)
    assert (await backend.broker.append(message(nonce="same"))).cursor == first.cursor
    assert (await backend.broker.append(message())).cursor.offset == 2
    assert await backend.accounts.by_id("u_1") == account
    assert (await backend.rooms.standings("u_alice"))[0].read == 1
    await backend.close()


def open_files() -> list[str]:
    """The paths of all files that this process has open."""
    links = []
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the listing's own
            links.append(os.readlink(f"/proc/self/fd/{number}"))
    return links


async def test_closing_leaves_one_file_and_no_thread(path: Path) -> None:
    """The write-ahead log is brought home; no thread that was begun and no file that was opened is left."""
    before = set(threading.enumerate())
    backend = await open_sqlite(path)
    await backend.broker.append(message())
    await backend.broker.read(LOBBY, START, 10)
    assert [file for file in open_files() if file.startswith(str(path))] != []
    await backend.close()
    assert {thread.name for thread in set(threading.enumerate()) - before} == set()
    assert [file for file in open_files() if file.startswith(str(path))] == []
    assert sorted(file.name for file in path.parent.iterdir()) == ["chat.db", "chat.db.lock"]


async def test_commits_are_on_the_disk(path: Path) -> None:
    """The writer waits for the disk at each commit: ``synchronous`` is FULL."""
    backend = await open_sqlite(path)
    found = await backend._writer.act(lambda connection: connection.execute("PRAGMA synchronous").fetchone())
    assert found == (2,)
    await backend.close()


# What is no database of ours


async def test_some_other_file(path: Path) -> None:
    """A file that is no database is left alone."""
    path.write_text("dear diary, " * 100)
    with unchanged(path.parent):
        assert "no SQLite database" in await refusal(path)


async def test_a_short_file(path: Path) -> None:
    """A file that was cut within its header."""
    path.write_bytes(b"SQLite format 3\0")
    with unchanged(path.parent):
        assert "damaged" in await refusal(path)


async def test_a_database_of_another_application(path: Path) -> None:
    """Somebody else's tables are not ours to add to."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    with unchanged(path.parent):
        assert "another application" in await refusal(path)


async def test_a_newer_schema(used: Path, by_hand: Callable[..., None]) -> None:
    """What a newer version wrote is not touched by an older one."""
    by_hand(f"PRAGMA user_version = {schema.VERSION + 1}", "PRAGMA journal_mode = DELETE")
    with unchanged(used.parent):
        assert "newer" in await refusal(used)
        assert "newer" in await refusal(used, exclusive=False)


async def test_a_database_that_lacks_a_table(used: Path, by_hand: Callable[..., None]) -> None:
    """A schema that is not whole."""
    by_hand("DROP TABLE markers")
    with unchanged(used.parent):
        assert "lacks tables" in await refusal(used)


@pytest.mark.parametrize("where", ["schema", "end"])
async def test_a_damaged_database(used: Path, where: str) -> None:
    """Pages that were overwritten are found by the quick look, and the file is left as it is."""
    size = used.stat().st_size
    with used.open("r+b") as file:
        file.seek(100 if where == "schema" else 4096)
        file.write(b"\xa5" * (3000 if where == "schema" else size - 4096))
    with unchanged(used.parent):
        assert "damaged" in await refusal(used)


async def test_a_database_that_was_cut_off(used: Path) -> None:
    """A file that is shorter than its header says."""
    os.truncate(used, used.stat().st_size // 2 // 4096 * 4096)
    with unchanged(used.parent):
        assert "damaged" in await refusal(used)


async def test_a_damaged_database_with_a_log_beside_it(path: Path, tmp_path: Path) -> None:
    """After a crash the write-ahead log is not brought into a file that is damaged."""
    backend = await open_sqlite(path)
    for _ in range(50):
        await backend.broker.append(message())
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("chat.db", "chat.db-wal"):
        shutil.copy(path.with_name(name), copy / name)
    await backend.close()
    broken = copy / "chat.db"
    (copy / "chat.db-wal").write_bytes((copy / "chat.db-wal").read_bytes()[:4000])
    with broken.open("r+b") as file:
        file.seek(100)
        file.write(b"\xa5" * 3000)
    before = broken.read_bytes(), (copy / "chat.db-wal").read_bytes()
    assert "damaged" in await refusal(broken)
    assert (broken.read_bytes(), (copy / "chat.db-wal").read_bytes()) == before


async def test_the_quick_look_costs_the_same_however_much_there_is(path: Path) -> None:
    """Opening does not read the history."""
    backend = await open_sqlite(path)

    def steps() -> int:
        count = 0

        def step() -> int:
            nonlocal count
            count += 1
            return 0

        with closing(sqlite3.connect(path)) as connection:
            connection.set_progress_handler(step, 1)
            assert schema.sound(connection)
        return count

    await backend.broker.append(message())
    await backend.broker.append(message())
    little = steps()
    for _ in range(2000 // 50):
        for waiting in [backend._writer.append(draft := message(), draft.text.encode()) for _ in range(50)]:  # type: ignore[union-attr]
            await waiting
    assert steps() <= little * 1.1
    await backend.close()


# Places


async def test_no_directory(tmp_path: Path) -> None:
    """A directory that is not there is not made up."""
    assert "does not exist" in await refusal(tmp_path / "nowhere" / "chat.db")
    assert list(tmp_path.iterdir()) == []


async def test_a_file_as_directory(tmp_path: Path) -> None:
    """A path that leads through a file."""
    (tmp_path / "file").write_text("")
    assert "no directory" in await refusal(tmp_path / "file" / "chat.db")


async def test_a_directory_as_database(tmp_path: Path) -> None:
    """A path that is a directory."""
    (tmp_path / "chat.db").mkdir()
    assert "is a directory" in await refusal(tmp_path / "chat.db")


@contextmanager
def as_nobody() -> Iterator[None]:
    """Give up root's rights for a while, when we are root: root may write anywhere."""
    if os.geteuid() == 0:
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)
    else:
        yield


@pytest.fixture
def closed_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in which nobody can write."""
    folder = tmp_path / "closed"
    folder.mkdir()
    for parent in (tmp_path, *tmp_path.parents[:3]):
        if parent.owner() == folder.owner() and parent != Path("/tmp"):
            parent.chmod(0o755)
    yield folder
    folder.chmod(0o755)


async def test_a_folder_that_cannot_be_written(closed_folder: Path) -> None:
    """Neither a lock nor a database can be made there."""
    closed_folder.chmod(0o555)
    with as_nobody(), unchanged(closed_folder):
        assert "right to write" in await refusal(closed_folder / "chat.db")
        assert "right to write" in await refusal(closed_folder / "chat.db", exclusive=False)


async def test_a_database_that_cannot_be_written(used: Path, closed_folder: Path) -> None:
    """A file that may only be read, in a folder that is ours or not."""
    shutil.copy(used, closed_folder / "chat.db")
    (closed_folder / "chat.db").chmod(0o444)
    closed_folder.chmod(0o777 if os.geteuid() == 0 else 0o755)
    with as_nobody(), unchanged(closed_folder):
        assert "right to write" in await refusal(closed_folder / "chat.db")
    closed_folder.chmod(0o555)
    with as_nobody(), unchanged(closed_folder):
        assert "right to write" in await refusal(closed_folder / "chat.db")


async def test_a_database_that_cannot_be_read(used: Path, closed_folder: Path) -> None:
    """A file of somebody else."""
    shutil.copy(used, closed_folder / "chat.db")
    (closed_folder / "chat.db").chmod(0o000)
    with as_nobody():
        assert "can't be read" in await refusal(closed_folder / "chat.db")


# One process serves


async def test_a_second_server_is_refused(path: Path) -> None:
    """It is told which process has the database, and the first one does not feel it."""
    backend = await open_sqlite(path)
    assert f"in use by process {os.getpid()}" in await refusal(path)
    assert (await backend.broker.append(message())).cursor.offset == 1
    await backend.close()
    again = await open_sqlite(path)
    await again.close()


async def test_a_link_leads_to_the_same_database(path: Path) -> None:
    """By whatever name: one database is served by one process."""
    backend = await open_sqlite(path)
    link = path.with_name("link.db")
    link.symlink_to(path)
    assert "in use by process" in await refusal(link)
    await backend.close()


async def test_a_lock_that_was_withdrawn_meanwhile_is_none(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between opening and locking the file another process may have removed it: then its successor is locked."""
    flock, calls = fcntl.flock, []

    def late(file: int, how: int) -> None:
        calls.append(file)
        if len(calls) == 1:
            path.with_name("chat.db.lock").unlink()
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    lock = Lock(path)
    with pytest.raises(ConfigurationError, match="in use"):
        Lock(path)
    lock.release()
    assert path.with_name("chat.db.lock").exists()


async def test_a_server_in_another_process_is_refused(path: Path) -> None:
    """The lock holds between processes."""
    script = (
        "import asyncio, sys\n"
        "from datchat.backends.sqlite import open_sqlite\n"
        "try: asyncio.run(open_sqlite(sys.argv[1]))\n"
        "except Exception as error: print(error)\n"
    )
    backend = await open_sqlite(path)
    run = [sys.executable, "-c", script, str(path)]
    output = subprocess.run(run, capture_output=True, text=True, timeout=30, check=True).stdout
    assert re.search(f"chat.db is in use by process {os.getpid()}", output)
    await backend.close()


async def test_a_tool_works_beside_a_server(path: Path) -> None:
    """Not exclusive: accounts, rooms and reading work, and what is done is seen by the server; appending is refused."""
    server = await open_sqlite(path)
    await server.broker.append(message())
    tool = await open_sqlite(path, exclusive=False)
    account = Account(id="u_1", email="a@example.org", name="a", password_hash="", created_at=0)
    await tool.accounts.create(account)
    assert await server.accounts.by_id("u_1") == account
    assert (await tool.broker.top(LOBBY)).offset == 1
    with pytest.raises(Unavailable, match="only the process that serves"):
        await tool.broker.append(message())
    await tool.close()
    assert (await server.broker.append(message())).cursor.offset == 2
    await server.close()


async def test_an_url_opens_a_database(tmp_path: Path) -> None:
    """Also of a path with spaces and other characters that an URL has to quote, exclusive or not."""
    path = tmp_path / "my chat? #1%.db"
    url = "sqlite://" + str(path).replace("%", "%25").replace("?", "%3F").replace("#", "%23")
    backend = await open_backend(url)
    assert path.exists()
    with pytest.raises(ConfigurationError, match="in use"):
        await open_backend(url)
    beside = await open_backend(url, exclusive=False)
    await beside.close()
    await backend.close()


@pytest.mark.parametrize("url", ["sqlite://chat.db", "postgres://host/db", "chat.db", ""])
async def test_a_wrong_url_is_refused(url: str) -> None:
    """One sentence that shows what an URL looks like."""
    with pytest.raises(ConfigurationError, match=r"sqlite:///"):
        await open_backend(url)
