"""A node on the memory backend, with clients whose sockets can be stalled."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from datchat.backends.memory import MemoryBackend
from datchat.chat.model import User
from datchat.node.lifecycle import Node
from datchat.node.limits import Limits
from datchat.ports import Account, Accounts, Session
from support.eventually import eventually
from support.fake_transport import FakeTransport


class Client:
    """A person on the node."""

    def __init__(self, node: Node, user: User, session_id: str | None = None) -> None:
        self.transport = FakeTransport()
        session = Session(id=session_id or f"s-{user.id}", user=user, created_at=0, expires_at=2**50)
        self.connection = node.connect(self.transport, session)
        self.transport.connection = self.connection
        self.connection.opened()
        self._ids = 0

    def command(self, kind: str, **fields: Any) -> int:
        """Send a command; returns its id."""
        self._ids += 1
        self.connection.received(json.dumps({"type": kind, "id": self._ids, **fields}).encode())
        return self._ids

    async def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Send a command and wait for its reply."""
        number = self.command(kind, **fields)

        def reply() -> dict[str, Any] | None:
            return next((frame for frame in self.transport.frames() if frame.get("id") == number), None)

        found = await eventually(reply)
        assert found is not None
        return found

    async def sees(self, offsets: list[int]) -> None:
        """Wait until the client has been shown exactly these offsets, in this order."""
        await eventually(lambda: self.transport.offsets() == offsets, describe=lambda: self.transport.offsets())


async def signed_in(node: Node, accounts: Accounts, name: str) -> Client:
    """A person with an account and a session, which the node's look at sessions finds alive."""
    user = User(f"u_{name}", name)
    if await accounts.by_id(user.id) is None:
        account = Account(id=user.id, email=f"{name}@example.org", name=name, password_hash="none", created_at=0)
        await accounts.create(account)
    await accounts.open_session(Session(id=f"s-{user.id}", user=user, created_at=0, expires_at=2**50))
    return Client(node, user)


@pytest.fixture
async def backend() -> AsyncIterator[MemoryBackend]:
    backend = MemoryBackend()
    yield backend
    await backend.close()


@pytest.fixture
def limits() -> Limits:
    return Limits(post_rate=0, roster_s=0.05, hold_s=0.1, session_check_s=3600)


@pytest.fixture
async def node(backend: MemoryBackend, limits: Limits) -> AsyncIterator[Node]:
    node = Node(backend, name="web0", addresses=["10.0.0.3"], limits=limits)
    await node.start()
    yield node
    await node.stop()
    assert len(asyncio.all_tasks()) == 1, "a node that stopped leaves no task behind"


@pytest.fixture
def arrive(node: Node) -> Callable[..., Client]:
    """Let a person open a socket."""

    def open_socket(name: str = "alice", session_id: str | None = None) -> Client:
        return Client(node, User(f"u_{name}", name), session_id)

    return open_socket
