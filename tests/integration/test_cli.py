"""The command line, run as people run it: what it says, its exit codes, and that it overwrites nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from datchat import __version__, settings
from datchat.backends.sqlite import schema
from support.eventually import eventually_now
from support.process import ServerProcess, datchat
from support.websocket import Socket

PASSWORD = "correct horse"


def sign_up(url: str, name: str) -> None:
    answer = httpx.post(
        f"{url}/api/v1/accounts", json={"email": f"{name}@example.org", "password": PASSWORD, "name": name}
    )
    assert answer.status_code == 201, answer.text


def sign_in(url: str, name: str, password: str = PASSWORD) -> httpx.Response:
    return httpx.post(f"{url}/api/v1/sessions", json={"email": f"{name}@example.org", "password": password})


def token(url: str, name: str) -> str:
    """The token of a new session."""
    answer = sign_in(url, name)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


def post(url: str, session: str, texts: list[str], room: str = "lobby") -> None:
    """Post messages, each acknowledged."""
    for number, text in enumerate(texts):
        answer = httpx.post(
            f"{url}/api/v1/rooms/{room}/entries",
            headers={"Authorization": f"Bearer {session}"},
            json={"nonce": f"n{time.time_ns()}-{number}", "text": text},
        )
        assert answer.status_code == 201, answer.text


def fails(result: object, code: int, words: str) -> None:
    """One sentence on standard error with these words, this exit code, nothing else."""
    assert (result.returncode, result.stdout) == (code, ""), result  # type: ignore[attr-defined]
    said = result.stderr.splitlines()  # type: ignore[attr-defined]
    assert len(said) == 1, said
    assert said[0].startswith("datchat: ")
    assert re.search(words, said[0]), said[0]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a directory, byte for byte."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with two people, two rooms and some messages, whose server was stopped."""
    data = tmp_path_factory.mktemp("filled") / "data"
    with ServerProcess("--data", data, "--post-rate", "0") as server:
        sign_up(server.url, "alice")
        session = token(server.url, "alice")
        created = httpx.post(
            f"{server.url}/api/v1/rooms",
            headers={"Authorization": f"Bearer {session}"},
            json={"id": "den", "title": "Den", "private": True},
        )
        assert created.status_code == 201, created.text
        post(server.url, session, [f"lobby {n}" for n in range(20)])
        post(server.url, session, [f"den {n}" for n in range(10)], room="den")
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
    return data


@pytest.fixture
def data(filled: Path, tmp_path: Path) -> Path:
    """A copy of it to do harm to."""
    copy = tmp_path / "data"
    copy.mkdir(mode=0o700)
    for name, content in contents(filled).items():
        (copy / name).write_bytes(content)
    return copy


@pytest.fixture
def database(data: Path) -> Iterator[sqlite3.Connection]:
    """The database of ``data``, opened behind the server's back."""
    connection = sqlite3.connect(data / "chat.db")
    yield connection
    connection.close()


# Usage


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nope"],
        ["serve", "--nope"],
        ["serve", "--port"],
        ["serve", "--port", "http"],
        ["serve", "--ping-s", "0"],
        ["serve", "extra"],
        ["user"],
        ["user", "add"],
        ["user", "list", "extra"],
        ["verify", "--nope"],
        ["settings", "--html"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_64(arguments: list[str], tmp_path: Path) -> None:
    """A command that doesn't exist or is wrongly given: 64, a sentence on standard error, nothing done."""
    result = datchat(*arguments, cwd=tmp_path)

    assert (result.returncode, result.stdout) == (64, "")
    assert result.stderr.splitlines()[-1].startswith("datchat")
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_version() -> None:
    """``--version`` says which."""
    result = datchat("--version")

    assert (result.returncode, result.stdout) == (0, f"datchat {__version__}\n")


def test_settings() -> None:
    """Every setting is listed with flag, variable, default and meaning."""
    result = datchat("settings")

    assert result.returncode == 0
    for setting in settings.listing():
        assert f"{setting.flag}  {setting.variable}" in result.stdout
        assert setting.meaning in result.stdout


def test_output_may_be_cut_off() -> None:
    """Whoever reads the output may go away early, as ``head`` does: no complaint."""
    read, write = os.pipe()
    os.close(read)
    try:
        pid = os.posix_spawn(
            os.fspath(Path(os.sys.executable).with_name("datchat")),  # type: ignore[attr-defined]
            ["datchat", "settings"],
            dict(os.environ),
            file_actions=[(os.POSIX_SPAWN_DUP2, write, 1), (os.POSIX_SPAWN_DUP2, write, 2)],
        )
    finally:
        os.close(write)

    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_node_loads_no_client() -> None:
    """Nodes start without what only drills and clients need, httpx first of all: it would double their start."""
    modules = "{'httpx', 'datchat.client', 'datchat.drills.run'}"
    look = f"import sys, datchat.cli, datchat.app; print(*{modules} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout == "\n"


# What can't be done is said in one sentence, and nothing is overwritten


def test_a_busy_port(tmp_path: Path) -> None:
    """A port that is taken: exit code 2, the port named, no data directory made."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = datchat("serve", "--port", str(port), "--data", tmp_path / "data")

    fails(result, 2, f"port {port} .* in use.*--port")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "203.0.113.7"], "can't listen on 203.0.113.7.*--host"),
        (["--data", "/proc/nothing"], "/proc/nothing can't be made.*--data"),
        (["--data", "file"], "file is no directory.*--data"),
        (["--data", "file/below"], "file/below can't be made.*--data"),
        (["--store", "postgres://x"], "is no store's URL.*sqlite:///"),
        (["--store", "sqlite://x/y.db"], "three slashes"),
        (["--store", "sqlite:///nowhere/at/all.db"], "/nowhere/at does not exist"),
        (["--store", "sqlite:///proc/chat.db"], "/proc/chat.db.* can't be made"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_can_not_be_served(arguments: list[str], words: str, tmp_path: Path) -> None:
    """An address that is not ours, a directory that can't be, a URL of no store: exit code 2 and what to do."""
    (tmp_path / "file").write_text("not a directory")

    fails(datchat("serve", "--port", "0", *arguments, cwd=tmp_path), 2, words)
    assert (tmp_path / "file").read_text() == "not a directory"


def test_a_variable_with_a_wrong_value(tmp_path: Path) -> None:
    """A wrong value in the environment is not the command line's fault: exit code 2, the variable named."""
    fails(datchat("serve", cwd=tmp_path, DATCHAT_PORT="http"), 2, "DATCHAT_PORT 'http'")


@contextmanager
def closed(folder: Path) -> Iterator[None]:
    """A folder that this process may not write to. Root may write everywhere but to what is mounted read-only."""
    if os.geteuid() != 0:
        folder.mkdir(mode=0o500)
        yield
        return
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_directory_without_the_right_to_write(tmp_path: Path) -> None:
    """A data directory that may not be written to: exit code 2, and it is named."""
    with closed(tmp_path / "data"):
        fails(datchat("serve", "--port", "0", "--data", tmp_path / "data"), 2, "no right to write")


def newer(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    connection.execute("CREATE TABLE later (x)")
    connection.close()


def foreign(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE bookmarks (url TEXT)")
    connection.close()


def garbage(path: Path) -> None:
    path.write_bytes(b"Dear diary, today I wrote something else into this file. " * 100)


def short(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0")


def torn(path: Path) -> None:
    """Ours, with its pages overwritten as a failing disk or a careless copy does it."""
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)


def halved(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2 // 4096 * 4096])


@pytest.mark.parametrize(
    ("command", "harm", "words"),
    [
        ("serve --port 0", newer, "newer Dat Chat"),
        ("serve --port 0", foreign, "another application"),
        ("serve --port 0", garbage, "no SQLite database"),
        ("serve --port 0", short, "no SQLite database"),
        ("serve --port 0", torn, "damaged|lacks tables"),
        ("serve --port 0", halved, "damaged|lacks tables"),
        ("user list", newer, "newer Dat Chat"),
        ("verify", torn, "damaged|lacks tables"),
    ],
    ids=lambda value: value.__name__ if callable(value) else value.split()[0],
)
def test_a_database_that_can_not_be_used(command: str, harm: Callable[[Path], None], words: str, data: Path) -> None:
    """A newer, foreign or damaged database: exit code 2, the file named, every byte as it was."""
    database = data / "chat.db"
    if harm in (newer, foreign):
        database.unlink()
    harm(database)
    (data / "chat.db.lock").unlink(missing_ok=True)
    before = contents(data)

    result = datchat(*command.split(), "--data", data)

    fails(result, 2, words)
    assert str(database) in result.stderr
    after = contents(data)
    assert {name: after[name] for name in before} == before
    # What only looks opens the database beside a server that may run: SQLite's own files may appear, empty of data.
    allowed = set() if command.startswith("serve") else {"chat.db-shm", "chat.db-wal"}
    assert after.keys() - before.keys() <= allowed


def test_a_second_server_on_the_same_data(data: Path) -> None:
    """The second is refused with the first one's process id; the first goes on."""
    with ServerProcess("--data", data) as server:
        assert server.process is not None

        fails(datchat("serve", "--port", "0", "--data", data), 2, f"in use by process {server.process.pid}")
        assert server.ready()


def test_the_secret_must_be_whole(data: Path) -> None:
    """A secret file that was cut is not taken for a secret, nor replaced silently."""
    (data / "secret").write_bytes(b"short")

    fails(datchat("serve", "--port", "0", "--data", data), 2, "secret")
    assert (data / "secret").read_bytes() == b"short"


# Accounts, beside a running server


def test_accounts_beside_a_running_server(tmp_path: Path) -> None:
    """An operator makes, lists, disables and lets in accounts while the chat runs; the server heeds it at once."""
    with ServerProcess("--data", tmp_path, "--session-check-s", "0.2") as server:
        added = datchat("user", "add", "alice@example.org", "--name", "Alice", "--admin", "--data", tmp_path)
        assert added.returncode == 0, added.stderr
        made = re.search(r"^password: (\S+)$", added.stdout, re.MULTILINE)
        assert made is not None
        session = sign_in(server.url, "alice", made[1])
        assert session.status_code == 201
        bearer = {"Authorization": f"Bearer {session.json()['token']}"}
        assert httpx.get(f"{server.url}/api/v1/me", headers=bearer).json()["admin"] is True

        listed = datchat("user", "list", "--json", "--data", tmp_path)
        (account,) = json.loads(listed.stdout)
        assert (account["email"], account["name"], account["disabled"]) == ("alice@example.org", "Alice", False)
        assert "Alice" in datchat("user", "list", "--data", tmp_path).stdout

        with Socket(server.url, session.json()["token"]) as alice:
            assert alice.receive()["type"] == "hello"
            assert datchat("user", "disable", "ALICE@example.org", "--data", tmp_path).returncode == 0
            assert alice.closed(within_s=5) == 4500
        assert httpx.get(f"{server.url}/api/v1/me", headers=bearer).status_code == 401
        assert sign_in(server.url, "alice", made[1]).status_code == 401

        assert datchat("user", "disable", "--undo", "alice@example.org", "--data", tmp_path).returncode == 0
        assert sign_in(server.url, "alice", made[1]).status_code == 201


def test_a_password_that_is_reset_ends_the_sessions(data: Path) -> None:
    """The old password and the old sessions are dead, the new password works."""
    with ServerProcess("--data", data, "--session-check-s", "0.2") as server:
        with Socket(server.url, token(server.url, "alice")) as alice:
            alice.receive()
            reset = datchat(
                "user", "reset-password", "alice@example.org", "--password", "battery staple", "--data", data
            )
            assert reset.returncode == 0, reset.stderr
            assert alice.closed(within_s=5) == 4500

        assert sign_in(server.url, "alice").status_code == 401
        assert sign_in(server.url, "alice", "battery staple").status_code == 201


def test_accounts_that_are_refused(data: Path) -> None:
    """A second account with an e-mail, an unknown e-mail, a short password: exit code 2 and why."""
    fails(datchat("user", "add", "Alice@Example.org", "--data", data), 2, "account with this e-mail")
    fails(datchat("user", "add", "nobody", "--data", data), 2, "no e-mail address")
    fails(datchat("user", "add", "bob@example.org", "--password", "short", "--data", data), 2, "at least 8")
    fails(datchat("user", "disable", "bob@example.org", "--data", data), 2, "no account")
    fails(datchat("user", "reset-password", "bob@example.org", "--data", data), 2, "no account")


@pytest.mark.parametrize("command", [["user", "list"], ["user", "disable", "a@example.org"], ["verify"]], ids=" ".join)
def test_without_a_store_there_is_nothing_to_do(command: list[str], tmp_path: Path) -> None:
    """Where no store is, none is made: exit code 2."""
    fails(datchat(*command, "--data", tmp_path / "data"), 2, "no store.*--data")
    assert list(tmp_path.iterdir()) == []


# Verify


def test_verify_finds_a_log_right(data: Path) -> None:
    """Every room, private ones too, with its number of entries: exit code 0. It changes nothing."""
    before = contents(data)["chat.db"]

    result = datchat("verify", "--data", data)

    assert (result.returncode, result.stderr) == (0, "")
    assert re.search(r"^lobby: 20 entries, cursor 20:[0-9a-f]{16}$", result.stdout, re.MULTILINE)
    assert re.search(r"^den: 10 entries, cursor 10:[0-9a-f]{16}$", result.stdout, re.MULTILINE)
    assert result.stdout.splitlines()[-1].startswith("valid: 2 rooms, 30 entries")
    assert contents(data)["chat.db"] == before


def test_verify_of_an_empty_store(tmp_path: Path) -> None:
    """A chat in which nobody has said anything yet is right."""
    with ServerProcess("--data", tmp_path):
        pass

    result = datchat("verify", "--data", tmp_path)

    assert result.returncode == 0
    assert "valid: 1 rooms, 0 entries" in result.stdout


def test_verify_beside_a_running_server(data: Path) -> None:
    """It walks what was acknowledged, while the server goes on."""
    with ServerProcess("--data", data, "--post-rate", "0") as server:
        post(server.url, token(server.url, "alice"), ["one", "two"])

        result = datchat("verify", "--data", data)

        assert result.returncode == 0, result.stdout
        assert "lobby: 22 entries" in result.stdout
        assert server.ready()


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        ("UPDATE entries SET body = replace(body, 'lobby 7', 'lobby 8') WHERE offset = 8", "chain of offset 8"),
        ("UPDATE entries SET chain = '0123456789abcdef' WHERE room = 1 AND offset = 8", "chain of offset 8"),
        ("DELETE FROM entries WHERE room = 1 AND offset = 8", "offset 9 follows 7"),
        ("DELETE FROM entries WHERE room = 1 AND offset = 20", "ends at 19:"),
        ("DELETE FROM entries WHERE room = 1", "lobby: .*20:"),
        ("UPDATE entries SET body = x'7b7d' WHERE room = 1 AND offset = 20", "offset 20"),
    ],
    ids=["text changed", "chain changed", "one missing", "last missing", "all missing", "unreadable"],
)
def test_verify_finds_harm(harm: str, words: str, data: Path, database: sqlite3.Connection) -> None:
    """A log that somebody changed, or that lost entries: exit code 1, the room and the place named."""
    database.execute(harm)
    database.commit()
    database.close()

    result = datchat("verify", "--data", data)

    assert (result.returncode, result.stderr) == (1, "")
    assert re.search(words, result.stdout), result.stdout
    assert result.stdout.splitlines()[-1].startswith("invalid: ")


def test_verify_finds_messages_that_are_not_shown(data: Path, database: sqlite3.Connection) -> None:
    """A log that is right beside an index that isn't: exit code 1 too, since people would see something else."""
    database.execute("DELETE FROM messages WHERE room = 1 AND offset = 8")
    database.commit()
    database.close()

    result = datchat("verify", "--data", data)

    assert (result.returncode, result.stderr) == (1, "")
    assert "not shown" in result.stdout


# The end


def test_sigterm_drains(data: Path) -> None:
    """SIGTERM: sockets are told where they stand and closed with 4000, the process ends with 0."""
    with ServerProcess("--data", data, "--drain-s", "0.2") as server:
        with Socket(server.url, token(server.url, "alice")) as alice:
            alice.receive()
            server.signal(signal.SIGTERM)
            assert alice.closed(within_s=5) == 4000
            assert alice.last["type"] == "bye"
        assert server.wait() == 0
        assert "Traceback" not in server.log()


def test_ctrl_c_is_quick(data: Path) -> None:
    """SIGINT waits for nobody, however long a drain would take: the process ends at once, with 0."""
    with ServerProcess("--data", data, "--drain-s", "60") as server, Socket(server.url, token(server.url, "alice")):
        began = time.monotonic()
        server.signal(signal.SIGINT)
        assert server.wait(5) == 0
        assert time.monotonic() - began < 5
        assert "Traceback" not in server.log()


def test_a_killed_server_starts_again_on_its_data(data: Path) -> None:
    """SIGKILL, then a start: what was acknowledged is there, sessions live on, the port is the same."""
    with ServerProcess("--data", data, "--post-rate", "0") as server:
        session = token(server.url, "alice")
        post(server.url, session, ["before the end"])
        first = server.url
        server.kill()

        server.start()

        assert server.url == first
        page = httpx.get(
            f"{server.url}/api/v1/rooms/lobby/messages?limit=1", headers={"Authorization": f"Bearer {session}"}
        )
        assert [message["text"] for message in page.json()["messages"]] == ["before the end"]
        eventually_now(server.ready)


def test_a_process_says_what_it_takes(data: Path) -> None:
    """Memory, open descriptors and its start are among the metrics, by the names that dashboards know."""
    with ServerProcess("--data", data) as server:
        assert server.process is not None
        said = dict(line.split() for line in httpx.get(f"{server.url}/metrics").text.splitlines() if line[0] != "#")
        held = len(os.listdir(f"/proc/{server.process.pid}/fd"))

    assert float(said["process_resident_memory_bytes"]) > 2**20
    assert abs(float(said["process_open_fds"]) - held) < 10
    assert abs(float(said["process_start_time_seconds"]) - time.time()) < 60
