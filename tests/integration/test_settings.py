"""
Settings are heeded by the real process: each of these fails when its setting is ignored.

Most share one server with unusual settings. Where a default is short, the unusual value is long and nothing must
happen; where it is long, the value is short and something must.
"""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support.eventually import eventually_now
from support.process import ServerProcess
from support.websocket import Refused, Socket

PASSWORD = "correct horse"
SECRET = "a secret that every node knows, of enough bytes"
ORIGIN = "https://chat.example.org"


def sign_in(url: str, name: str) -> httpx.Response:
    """A new session; the account is made when it is missing."""
    person = {"email": f"{name}@example.org", "password": PASSWORD, "name": name}
    made = httpx.post(f"{url}/api/v1/accounts", json=person)
    assert made.status_code in (201, 409), made.text
    return httpx.post(f"{url}/api/v1/sessions", json=person)


def token(url: str, name: str) -> str:
    return str(sign_in(url, name).json()["token"])


def post(url: str, session: str, nonce: str, **fields: object) -> httpx.Response:
    return httpx.post(
        f"{url}/api/v1/rooms/lobby/entries",
        headers={"Authorization": f"Bearer {session}"},
        json={"nonce": nonce, "text": "hello", **fields},
    )


def enter(url: str, session: str, **headers: str) -> Socket:
    """An open socket that has been greeted. The places of sockets that were closed are free soon."""

    def attempt() -> Socket | None:
        try:
            return Socket(url, session, **headers)
        except Refused as refused:
            if refused.status == 503:
                return None
            raise

    opened = eventually_now(attempt)
    assert opened is not None
    assert opened.receive()["type"] == "hello"
    return opened


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("settings")


@pytest.fixture(scope="module")
def odd(folder: Path) -> Iterator[ServerProcess]:
    """A server of which nothing is as usual."""
    flags = {
        "host": "127.0.0.2",
        "name": "web9",
        "store": f"sqlite://{folder}/odd.db",
        "secret": SECRET,
        "origins": f"https://other.example.org, {ORIGIN}",
        "secure-cookies": "always",
        "log-format": "json",
        "log-level": "debug",
        "session-days": "2",
        "sign-in-rate": "0.02",
        "ping-s": "0.3",
        "post-rate": "0.3",
        "command-rate": "0.3",
        "post-deadline-s": "0.3",
        "nonce-window-s": "2",
        "roster-s": "600",
        "connections": "2",
        "max-body-bytes": "1024",
    }
    arguments = [part for name, value in flags.items() for part in (f"--{name}", value)]
    with ServerProcess(*arguments, cwd=folder) as server:
        yield server


def test_host(odd: ServerProcess) -> None:
    """It listens where it is told to, and nowhere else."""
    assert odd.url.startswith("http://127.0.0.2:")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(odd.url.rpartition(":")[2])), timeout=5)


def test_port_and_data(tmp_path: Path) -> None:
    """It serves on the port that was asked for, and keeps its data in the directory that was."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with ServerProcess("--port", str(port), "--data", tmp_path / "here") as server:
        assert server.url == f"http://127.0.0.1:{port}"
        assert (tmp_path / "here" / "chat.db").is_file()
        assert str(tmp_path / "here") in server.output()


def test_store(odd: ServerProcess, folder: Path) -> None:
    """Another store is used, and then no data directory is made."""
    assert (folder / "odd.db").is_file()
    assert not (folder / "datchat-data").exists()


def test_name(odd: ServerProcess) -> None:
    """The node's name is what people see."""
    with Socket(odd.url, token(odd.url, "alice")) as alice:
        assert alice.receive()["node"] == {"name": "web9", "addresses": ["127.0.0.2"]}


def test_ping(odd: ServerProcess) -> None:
    """The period of pings is told in ``hello``, and who shows no sign of life for two of them is closed with 4002."""
    with Socket(odd.url, token(odd.url, "alice")) as alice:
        assert alice.receive()["ping_s"] == 0.3
        assert alice.closed(within_s=10, silently=True) == 4002


def test_secret(odd: ServerProcess, tmp_path: Path) -> None:
    """A form of one node can be sent to another one with the same secret, and to no other."""
    with httpx.Client(base_url=odd.url) as browser:
        form = browser.get("/auth/sign_up")
        visitor = re.search(r"datchat_csrf=([^;]+)", form.headers["set-cookie"])
        csrf = re.search(r'name="csrf_token" value="([^"]+)"', form.text)
    assert visitor is not None
    assert csrf is not None

    def answer(*arguments: str) -> int:
        with ServerProcess("--store", "memory://", *arguments) as other:
            return httpx.post(
                f"{other.url}/auth/sign_up",
                headers={"Cookie": f"datchat_csrf={visitor[1]}", "Origin": other.url},
                data={"csrf_token": csrf[1], "user[email]": "a@example.org", "user[password]": PASSWORD},
            ).status_code

    assert answer("--secret", SECRET) == 303
    assert answer() == 403


def test_origins(odd: ServerProcess) -> None:
    """Pages of the listed origins may open the socket with the cookie, others may not."""
    cookie = f"datchat_session={token(odd.url, 'alice')}"

    with pytest.raises(Refused, match="403"):
        Socket(odd.url, Cookie=cookie, Origin="https://evil.example.org")
    with Socket(odd.url, Cookie=cookie, Origin=ORIGIN) as alice:
        assert alice.receive()["type"] == "hello"


def test_secure_cookies_always(odd: ServerProcess) -> None:
    """Cookies are Secure although the request came by http."""
    assert "; Secure" in sign_in(odd.url, "alice").headers["set-cookie"]


@pytest.mark.parametrize(
    ("arguments", "secure"),
    [
        ([], True),
        (["--trusted-proxies", "127.0.0.9"], False),
        (["--secure-cookies", "never"], False),
    ],
    ids=["trusted", "not trusted", "never"],
)
def test_trusted_proxies_and_secure_cookies(arguments: list[str], secure: bool) -> None:
    """What a proxy says of https counts when the proxy is trusted, and when cookies follow it."""
    with ServerProcess("--store", "memory://", *arguments) as server:
        made = httpx.get(f"{server.url}/auth/sign_in", headers={"X-Forwarded-Proto": "https"})

        assert ("; Secure" in made.headers["set-cookie"]) == secure


@pytest.mark.parametrize(
    ("trusted", "client"),
    [("127.0.0.1", "203.0.113.9"), ("127.0.0.9", "127.0.0.1")],
    ids=["trusted", "not trusted"],
)
def test_the_log_names_who_opens_a_socket(trusted: str, client: str) -> None:
    """Whom a trusted proxy speaks for, otherwise who connects."""
    with ServerProcess("--store", "memory://", "--trusted-proxies", trusted) as server:
        forwarded = {"X-Forwarded-For": "203.0.113.9"}
        with Socket(server.url, token(server.url, "alice"), **forwarded) as alice:
            assert alice.receive()["type"] == "hello"
        line = eventually_now(lambda: next((said for said in server.log().splitlines() if "GET /ws" in said), None))

        assert f"client={client}" in line


def test_log_format_and_level(odd: ServerProcess) -> None:
    """The log is JSON, and holds what only debug shows."""
    odd.ready()

    def detailed() -> bool:
        lines = odd.log().splitlines(keepends=True)
        events = [json.loads(line) for line in lines if line.endswith("\n")]
        return any(event["level"] == "debug" and event["node"] == "web9" for event in events)

    eventually_now(detailed)


def test_session_days(odd: ServerProcess, folder: Path) -> None:
    """A session ends by itself after so many days, on the server and in the browser."""
    answer = sign_in(odd.url, "alice")
    database = sqlite3.connect(folder / "odd.db")
    created, expires = database.execute("SELECT created_at, expires_at FROM sessions").fetchone()
    database.close()

    assert expires - created == 2 * 86_400_000
    assert "Max-Age=172800;" in answer.headers["set-cookie"]


def test_password_hash(odd: ServerProcess, folder: Path) -> None:
    """Passwords are hashed with the chosen parameters (the tests choose cheap ones)."""
    token(odd.url, "alice")
    database = sqlite3.connect(folder / "odd.db")
    (stored,) = database.execute("SELECT password_hash FROM accounts").fetchone()
    database.close()

    assert stored.startswith("$argon2id$v=19$m=8,t=1,p=1$")


def test_sign_in_rate(odd: ServerProcess) -> None:
    """After a burst of one the second wrong password is refused for now, the right one too."""
    token(odd.url, "mallory")
    wrong = {"email": "mallory@example.org", "password": "wrong horse"}

    statuses = [httpx.post(f"{odd.url}/api/v1/sessions", json=wrong).status_code for _ in range(2)]

    assert statuses == [401, 429]


def test_post_rate(odd: ServerProcess) -> None:
    """After a burst of three the fourth post of an account is refused for now."""
    session = token(odd.url, "bob")

    statuses = [post(odd.url, session, f"n{number}").status_code for number in range(4)]

    assert statuses == [201, 201, 201, 429]


def test_command_rate(odd: ServerProcess) -> None:
    """After a burst of three the fourth command of a connection is refused for now."""
    with enter(odd.url, token(odd.url, "carol")) as carol:
        for number in range(4):
            carol.send("leave", id=number, room="lobby")
        answers = [carol.receive() for _ in range(4)]

    assert [answer["type"] for answer in answers] == ["left", "left", "left", "refused"]
    assert answers[-1]["code"] == "rate_limited"


def test_nonce_window(odd: ServerProcess) -> None:
    """A draft that is older than the window is refused."""
    session = token(odd.url, "dave")

    assert post(odd.url, session, "old", age_ms=2001).json()["code"] == "stale_nonce"
    assert post(odd.url, session, "new", age_ms=2000).status_code == 201


def test_post_deadline(odd: ServerProcess, folder: Path) -> None:
    """While the store takes nothing, a post is answered with 503 after the deadline."""
    session = token(odd.url, "erin")
    holder = sqlite3.connect(folder / "odd.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        answer = post(odd.url, session, "n1")
    finally:
        holder.execute("ROLLBACK")
        holder.close()

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.elapsed.total_seconds() < 4
    # It was under way all the while: sent again, it is stored once.
    assert eventually_now(lambda: post(odd.url, session, "n1", age_ms=100).status_code in (200, 201))


def test_roster(odd: ServerProcess) -> None:
    """Arrivals are gathered for so long that nobody is told of them here."""
    with enter(odd.url, token(odd.url, "alice")) as alice, enter(odd.url, token(odd.url, "grace")) as grace:
        for person in (alice, grace):
            person.send("join", room="lobby")
            person.until("joined")
        with pytest.raises(TimeoutError):
            alice.receive(within_s=1.5)


def test_connections(odd: ServerProcess) -> None:
    """There is room for two sockets, and then for no more."""
    session = token(odd.url, "alice")
    with enter(odd.url, session), enter(odd.url, session), pytest.raises(Refused, match="503"):
        Socket(odd.url, session)


def test_max_body_bytes(odd: ServerProcess) -> None:
    """A longer body is refused with 413."""
    session = token(odd.url, "frank")

    assert post(odd.url, session, "n1", text="x" * 1100).status_code == 413


def test_drain(tmp_path: Path) -> None:
    """Sockets are closed over the time that is given: with a long one, the second is still open a while later."""
    with ServerProcess("--data", tmp_path, "--drain-s", "60") as server:
        session = token(server.url, "alice")
        with enter(server.url, session) as one, enter(server.url, session) as other:
            server.signal(signal.SIGTERM)
            closed = 0
            for person in (one, other):
                with contextlib.suppress(TimeoutError):
                    closed += person.closed(within_s=2.5) == 4000
        assert closed == 1
