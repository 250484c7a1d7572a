"""Every row of the protocol's table of refusals, on a real server."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from datchat.backends.memory import MemoryBackend
from datchat.client import Api, SignIn
from datchat.errors import Unavailable
from datchat.node.limits import Limits
from support.people import fresh, person
from support.process import ServerProcess
from support.raw_socket import BINARY, TEXT, Opened, RawSocket
from support.serving import serving

# Refusals


BAD: list[dict[str, Any]] = [
    {"type": "dance"},
    {"type": 1},
    {},
    {"type": "join"},
    {"type": "join", "room": 1},
    {"type": "join", "room": "No Such"},
    {"type": "join", "room": "lobby", "limit": 0},
    {"type": "join", "room": "lobby", "limit": 501},
    {"type": "join", "room": "lobby", "limit": "5"},
    {"type": "join", "room": "lobby", "cursor": "x"},
    {"type": "join", "room": "lobby", "cursor": 5},
    {"type": "leave"},
    {"type": "post", "room": "lobby", "text": "x"},
    {"type": "post", "room": "lobby", "nonce": "n"},
    {"type": "post", "room": "lobby", "nonce": "", "text": "x"},
    {"type": "post", "room": "lobby", "nonce": "n" * 65, "text": "x"},
    {"type": "post", "room": "lobby", "nonce": "n!", "text": "x"},
    {"type": "post", "room": "lobby", "nonce": 5, "text": "x"},
    {"type": "post", "room": "lobby", "nonce": "n", "text": 5},
    {"type": "post", "room": "lobby", "nonce": "n", "text": "x", "reply_to": "1"},
    {"type": "post", "room": "lobby", "nonce": "n", "text": "x", "reply_to": 0},
    {"type": "post", "room": "lobby", "nonce": "n", "text": "x", "age_ms": -1},
    {"type": "edit", "room": "lobby", "nonce": "n", "text": "x"},
    {"type": "delete", "room": "lobby", "nonce": "n"},
    {"type": "react", "room": "lobby", "nonce": "n", "target": 1, "emoji": "👍"},
    {"type": "react", "room": "lobby", "nonce": "n", "target": 1, "emoji": "👍", "on": 1},
    {"type": "typing"},
    {"type": "read", "room": "lobby"},
    {"type": "read", "room": "lobby", "offset": -1},
    {"type": "ping", "id": [1]},
    {"type": "ping", "id": "x" * 65},
]


@pytest.mark.parametrize("command", BAD, ids=json.dumps)
async def test_bad_commands(url: str, opened: Opened, alice: SignIn, command: dict[str, Any]) -> None:
    """Refused with ``bad_command`` and no retry; the connection lives on."""
    socket = await opened(url, alice.token)
    socket.frame(TEXT, json.dumps(command).encode())
    refused = await socket.until("refused")
    assert (refused["code"], refused["retry"], refused["retry_after_ms"]) == ("bad_command", False, None)
    assert (await socket.ask("ping"))["type"] == "pong"


@pytest.mark.parametrize(
    ("opcode", "payload"),
    [
        (BINARY, b'{"type":"ping"}'),
        (BINARY, b""),
        (TEXT, b""),
        (TEXT, b"{"),
        (TEXT, b"null"),
        (TEXT, b"[]"),
        (TEXT, b'{"type":"ping"} {}'),
        (TEXT, b"[" * 30_000),
        (TEXT, b'{"type":"ping","x":' + b"[" * 1000 + b"]" * 1000 + b"}"),
        (TEXT, b"\xff\xfe"),
        (TEXT, b'{"type":"ping","x":"\xff"}'),
        (TEXT, b'{"type":"ping","id":"\xed\xa0\x80"}'),
    ],
    ids=lambda value: repr(value[:30]) if isinstance(value, bytes) else str(value),
)
async def test_frames_that_are_no_commands(
    url: str, opened: Opened, alice: SignIn, opcode: int, payload: bytes
) -> None:
    """Binary, no JSON, no object, too deep, broken UTF-8: refused with ``bad_command``, or closed with 1007."""
    socket = await opened(url, alice.token)
    socket.frame(opcode, payload)
    refused = await socket.until("refused")
    assert refused["code"] == "bad_command"
    assert (await socket.ask("ping"))["type"] == "pong"


async def test_unknown_fields_are_ignored(here: RawSocket) -> None:
    """A newer client may say more."""
    assert (await here.ask("ping", colour={"deep": [1, 2]}))["type"] == "pong"


async def test_texts_out_of_their_limits(here: RawSocket, den: str) -> None:
    """``too_large`` above 4000 characters, ``empty`` for nothing but white space; the same for emoji's 32 bytes."""
    await here.ask("post", room=den, nonce="n", text="hello")
    for kind, more in (("post", {}), ("edit", {"target": 1})):
        assert await here.refusal(kind, room=den, nonce="a", text="x" * 4001, **more) == "too_large"
        for text in ("", " ", "\n\t\u3000"):
            assert await here.refusal(kind, room=den, nonce="a", text=text, **more) == "empty"
    assert await here.refusal("react", room=den, nonce="a", target=1, emoji="👍" * 9, on=True) == "too_large"
    assert await here.refusal("react", room=den, nonce="a", target=1, emoji="", on=True) == "empty"


async def test_rooms_that_are_not(here: RawSocket) -> None:
    """``no_such_room``, whatever is asked of it."""
    for kind, fields in [
        ("join", {}),
        ("post", {"nonce": "n", "text": "x"}),
        ("edit", {"nonce": "n", "target": 1, "text": "x"}),
        ("delete", {"nonce": "n", "target": 1}),
        ("react", {"nonce": "n", "target": 1, "emoji": "x", "on": True}),
        ("typing", {}),
        ("read", {"offset": 1}),
    ]:
        assert await here.refusal(kind, room="nowhere", **fields) == "no_such_room", kind


async def test_private_rooms(url: str, here: RawSocket, there: RawSocket, alice: SignIn) -> None:
    """``not_a_member`` for everybody who was not let in, whatever is asked of it."""
    async with Api(url) as api:
        room = (await api.create_room(alice.token, fresh("private"), "Private", private=True)).id
    assert (await here.ask("join", room=room))["type"] == "joined"
    for kind, fields in [
        ("join", {}),
        ("post", {"nonce": "n", "text": "x"}),
        ("delete", {"nonce": "n", "target": 1}),
        ("typing", {}),
        ("read", {"offset": 1}),
    ]:
        assert await there.refusal(kind, room=room, **fields) == "not_a_member", kind


async def test_targets_that_are_not(here: RawSocket, there: RawSocket, den: str) -> None:
    """``no_such_entry`` for what is no message, is deleted, or is not there; ``forbidden`` for others' messages."""
    await here.ask("post", room=den, nonce="n1", text="one")
    await here.ask("react", room=den, nonce="n2", target=1, emoji="x", on=True)
    for target in (2, 3, 10**12):
        assert await here.refusal("edit", room=den, nonce="a", target=target, text="x") == "no_such_entry"
        assert await here.refusal("delete", room=den, nonce="a", target=target) == "no_such_entry"
        assert await here.refusal("react", room=den, nonce="a", target=target, emoji="x", on=True) == "no_such_entry"
        assert await here.refusal("post", room=den, nonce="a", text="x", reply_to=target) == "no_such_entry"
    assert await there.refusal("edit", room=den, nonce="a", target=1, text="x") == "forbidden"
    await here.ask("delete", room=den, nonce="n3", target=1)
    assert await here.refusal("edit", room=den, nonce="a", target=1, text="x") == "no_such_entry"


async def test_stale_nonces(here: RawSocket, den: str) -> None:
    """Past ten minutes a double can't be ruled out; at ten minutes it can."""
    refused = await here.ask("post", room=den, nonce="n", text="old", age_ms=600_001)
    assert (refused["code"], refused["retry"]) == ("stale_nonce", False)
    assert (await here.ask("post", room=den, nonce="n", text="old", age_ms=600_000))["type"] == "stored"


async def test_too_many_posts(tmp_path: Path, opened: Opened) -> None:
    """``rate_limited``, with the time after which it will go; and then it goes."""
    with ServerProcess("--data", tmp_path, DATCHAT_POST_RATE="2") as server:
        carol = await person(server.url, "carol")
        socket = await opened(server.url, carol.token)
        answers = [await socket.ask("post", room="lobby", nonce=f"n{n}", text="hello") for n in range(21)]
        assert [answer["type"] for answer in answers[:20]] == ["stored"] * 20
        refused = answers[20]
        assert (refused["code"], refused["retry"]) == ("rate_limited", True)
        assert 0 < refused["retry_after_ms"] <= 501
        await asyncio.sleep(refused["retry_after_ms"] / 1000)  # the time itself is what is tested here
        assert (await socket.ask("post", room="lobby", nonce="n20", text="hello"))["type"] == "stored"


async def test_too_many_other_commands(tmp_path: Path, opened: Opened) -> None:
    """Joining and the like have a limit of their own, a connection."""
    with ServerProcess("--data", tmp_path, DATCHAT_COMMAND_RATE="1") as server:
        carol = await person(server.url, "carol")
        socket = await opened(server.url, carol.token)
        answers = [await socket.ask("join", room="lobby") for _ in range(11)]
        assert [answer["type"] for answer in answers] == ["joined"] * 10 + ["refused"]
        assert answers[10]["code"] == "rate_limited"


# A store that fails


class Failing:
    """A memory backend's broker whose appends store and then say nothing, or fail before they do."""

    def __init__(self, broker: Any) -> None:
        self._broker = broker
        self.mode = "well"

    async def append(self, draft: Any) -> Any:
        if self.mode == "unavailable":
            raise Unavailable("the disk is full")
        receipt = await self._broker.append(draft)
        if self.mode == "silent":
            await asyncio.Event().wait()
        return receipt

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)


async def test_a_store_that_does_not_confirm_is_unavailable(opened: Opened) -> None:
    """To be tried again with the same nonce, and then stored once: whether it was stored the first time or not."""
    backend = MemoryBackend()
    broker = Failing(backend.broker)
    backend.broker = broker  # type: ignore[assignment]
    async with serving(backend, Limits(post_rate=0, drain_s=0, post_deadline_s=0.1)) as served:
        carol = await person(served.url, "carol")
        socket = await opened(served.url, carol.token)
        await socket.ask("join", room="lobby")
        for number, mode in enumerate(("unavailable", "silent"), 1):
            broker.mode = mode
            refused = await socket.ask("post", room="lobby", nonce=f"n{number}", text="hello")
            assert (refused["type"], refused["code"], refused["retry"]) == ("refused", "unavailable", True)
            broker.mode = "well"
            stored = await socket.ask("post", room="lobby", nonce=f"n{number}", text="hello", age_ms=100)
            assert (stored["offset"], stored["duplicate"]) == (number, mode == "silent")
        await socket.pong()
        assert [push["offset"] for push in socket.of("entry")] == [1, 2]
        await socket.end()
