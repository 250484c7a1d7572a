"""The commands of the README and of operations.md, run as they stand there."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from docs.documents import ROOT, block, section, text
from support.eventually import eventually_now
from support.process import DATCHAT, environment

README = text("README.md")
OPERATIONS = text("docs/operations.md")


class Terminal:
    """A shell in an empty directory that stands for a clone: its scripts and its ``.venv`` are this one's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._environment = environment(
            DATCHAT_PORT=str(port), PATH=f"{DATCHAT.parent}{os.pathsep}{os.environ['PATH']}"
        )
        self.server: subprocess.Popen[bytes] | None = None

    def run(self, commands: str) -> str:
        """Run to the end; returns what was said."""
        done = subprocess.run(
            ["sh", "-eu", "-c", self._here(commands)],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def serve(self, commands: str) -> None:
        """Begin what serves, and wait until it is ready."""
        self.server = subprocess.Popen(
            ["sh", "-eu", "-c", "exec " + self._here(commands).strip()],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually_now(self._ready, timeout_s=60)

    def end(self) -> None:
        if self.server is not None and self.server.poll() is None:
            self.server.terminate()
            self.server.wait(20)

    def _ready(self) -> bool:
        assert self.server is not None
        assert self.server.poll() is None, f"it ended with {self.server.returncode}"
        try:
            return httpx.get(f"{self.url}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    @staticmethod
    def _here(commands: str) -> str:
        return commands.replace("script/", f"{ROOT}/script/").replace(".venv/", f"{DATCHAT.parent.parent}/")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    opened = Terminal(tmp_path)
    yield opened
    opened.end()


def sign_up(url: str) -> dict[str, str]:
    """Somebody new; returns the header of their session."""
    person = {"email": "alice@example.org", "password": "correct horse"}
    assert httpx.post(f"{url}/api/v1/accounts", json=person).status_code == 201
    session = httpx.post(f"{url}/api/v1/sessions", json=person)
    assert session.status_code == 201
    return {"Authorization": f"Bearer {session.json()['token']}"}


def say(url: str, header: dict[str, str], text: str) -> None:
    answer = httpx.post(
        f"{url}/api/v1/rooms/lobby/entries", headers=header, json={"nonce": text.replace(" ", "-"), "text": text}
    )
    assert answer.status_code == 201, answer.text


def said(url: str, header: dict[str, str]) -> list[str]:
    """The texts in the lobby."""
    page = httpx.get(f"{url}/api/v1/rooms/lobby/messages", headers=header).json()
    return [message["text"] for message in page["messages"]]


def first_block(document: str) -> str:
    """The first code block of a section."""
    return document.split("```sh\n", 1)[1].split("```", 1)[0]


def test_the_failure_to_watch(terminal: Terminal) -> None:
    """Run it, kill it as the README says, run it again: everything is there, once, and the log proves it."""
    terminal.serve(first_block(section(README, "See it")))
    alice = sign_up(terminal.url)
    say(terminal.url, alice, "before the crash")

    terminal.run(block(README, "commands: crash"))
    assert terminal.server is not None
    assert terminal.server.wait(10) == -9
    terminal.serve(block(README, "commands: restart"))
    # The draft that was under way is sent again with its nonce: it stands once.
    answer = httpx.post(
        f"{terminal.url}/api/v1/rooms/lobby/entries",
        headers=alice,
        json={"nonce": "before-the-crash", "text": "before the crash", "age_ms": 1000},
    )
    say(terminal.url, alice, "after the crash")

    assert (answer.status_code, answer.json()["duplicate"]) == (200, True)
    assert said(terminal.url, alice) == ["before the crash", "after the crash"]
    assert "valid: 1 rooms, 2 entries" in terminal.run(block(README, "commands: proof"))


def test_backup_and_restore(terminal: Terminal) -> None:
    """A backup that is made while the chat runs, and put back, holds what had been said by then."""
    terminal.serve("script/run")
    alice = sign_up(terminal.url)
    say(terminal.url, alice, "worth keeping")
    terminal.run(block(OPERATIONS, "commands: backup"))
    say(terminal.url, alice, "too late")
    terminal.end()

    assert "valid: 1 rooms, 1 entries" in terminal.run(block(OPERATIONS, "commands: restore"))
    terminal.serve("script/run")
    assert said(terminal.url, alice) == ["worth keeping"]
    say(terminal.url, alice, "life goes on")
