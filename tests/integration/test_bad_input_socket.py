"""
Whatever frames come, the answer is a refusal of the table or the documented close; nobody else notices, and the server
logs no traceback.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from datchat.client import SignIn
from support.people import fresh, person
from support.process import ServerProcess
from support.raw_socket import BINARY, CONTINUATION, TEXT, Closed, RawSocket

CODES = {
    "bad_command",
    "too_large",
    "empty",
    "no_such_room",
    "not_a_member",
    "forbidden",
    "no_such_entry",
    "stale_nonce",
    "rate_limited",
    "unavailable",
}
CLOSES = {1002, 1007, 1009, 4502}
"""A broken frame, broken UTF-8, a frame too large, too many bad commands."""

FIELDS: dict[str, dict[str, Any]] = {
    "join": {"room": "lobby", "cursor": "0:0000000000000000", "limit": 1},
    "leave": {"room": "lobby"},
    "post": {"room": "lobby", "nonce": "n", "text": "x", "reply_to": 1, "age_ms": 1},
    "edit": {"room": "lobby", "nonce": "n", "target": 1, "text": "x"},
    "delete": {"room": "lobby", "nonce": "n", "target": 1},
    "react": {"room": "lobby", "nonce": "n", "target": 1, "emoji": "x", "on": True},
    "typing": {"room": "lobby"},
    "read": {"room": "lobby", "offset": 1},
    "ping": {},
}

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=100)
    | st.sampled_from(["", "lobby", "0:", "1e400", "\u0000", "../..", "'; drop table entries; --", "x" * 5000])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def mangled_commands(draw: st.DrawFn) -> bytes:
    """A command with some of its fields replaced by anything, left out, or joined by others."""
    kind = draw(st.sampled_from(sorted(FIELDS)))
    command = {"type": kind, "id": 1, **FIELDS[kind]}
    for name in draw(st.lists(st.sampled_from(sorted(command)), max_size=3)):
        if draw(st.booleans()):
            command[name] = draw(values)
        else:
            command.pop(name, None)
    command |= draw(st.dictionaries(st.text(max_size=8), values, max_size=2))
    return json.dumps(command, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")


@st.composite
def broken_texts(draw: st.DrawFn) -> bytes:
    """A command with bytes of it changed, cut off, or put in."""
    text = bytearray(draw(mangled_commands()))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        text[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=3))
    return bytes(text)


deep = st.builds(
    lambda depth, opening, kind: b'{"type":"%s","x":%s' % (kind.encode(), opening * depth),
    st.integers(1, 6000),
    st.sampled_from([b"[", b'{"a":', b"[{"]),
    st.sampled_from(["ping", "post"]),
)
frames = st.tuples(
    st.sampled_from([TEXT, TEXT, TEXT, TEXT, BINARY, CONTINUATION]),
    mangled_commands() | broken_texts() | st.binary(max_size=200) | deep,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server for the module, without limits on posts and commands."""
    with ServerProcess(
        "--data", tmp_path_factory.mktemp("bad"), DATCHAT_POST_RATE="0", DATCHAT_COMMAND_RATE="0"
    ) as server:
        yield server
        # What clients do wrong is no error of the server.
        assert "Traceback" not in server.log()
        assert "[error" not in server.log()


class Crowd:
    """Two people on the server: one sends nonsense, the other talks and wants to hear it."""

    def __init__(self, url: str, offender: SignIn, innocent: SignIn) -> None:
        self.url = url
        self.offender = offender
        self.innocent = innocent
        self.posts = 0

    async def offend(self, sent: list[tuple[int, bytes]]) -> None:
        """Send the frames; everything that comes back has to be of the protocol."""
        async with await RawSocket.open(self.url, self.innocent.token) as bystander:
            await bystander.until("hello")
            await bystander.ask("join", room="lobby", limit=1)
            async with await RawSocket.open(self.url, self.offender.token) as socket:
                await socket.until("hello")
                await self._send(socket, sent)
                for push in socket.of("refused"):
                    assert push["code"] in CODES, push
                    assert push["message"]
                    assert push["retry"] is (push["code"] in ("rate_limited", "unavailable"))
            self.posts += 1
            nonce = fresh("innocent")
            stored = await bystander.ask("post", room="lobby", nonce=nonce, text="I am still here")
            assert stored["type"] == "stored"
            await bystander.seen(lambda push: push["type"] == "entry" and push["nonce"] == nonce)

    async def _send(self, socket: RawSocket, sent: list[tuple[int, bytes]]) -> None:
        closed = await _closes(socket, sent)
        if closed is not None:
            assert closed in CLOSES, (closed, sent)
            return
        # Still open: commands are answered as ever. A fragment may be open, which a whole frame would break.
        if not any(opcode == CONTINUATION for opcode, _ in sent):
            socket.send("ping", id="the last one")
            await socket.until(lambda push: push == {"type": "pong", "id": "the last one"})


async def _closes(socket: RawSocket, sent: list[tuple[int, bytes]]) -> int | None:
    """Send frames, and wait until they are read: the code with which the server closes, if it does."""
    try:
        for opcode, payload in sent:
            socket.frame(opcode, payload)
        await socket.pong()
    except Closed as closed:
        return closed.code
    return None


@pytest.fixture(scope="module")
def crowd(server: ServerProcess) -> Crowd:
    async def come() -> Crowd:
        offender, innocent = await person(server.url, fresh("mallory")), await person(server.url, fresh("ivy"))
        return Crowd(server.url, offender, innocent)

    return asyncio.run(come())


@settings(
    max_examples=250,
    deadline=None,
    # A failing example is printed as it is: each try is a connection, and shrinking takes minutes.
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sent=st.lists(frames, min_size=1, max_size=6))
def test_any_frames(server: ServerProcess, crowd: Crowd, sent: list[tuple[int, bytes]]) -> None:
    """Wrong types for every field, random bytes, broken UTF-8, deep JSON, binary and stray frames."""
    asyncio.run(crowd.offend(sent))


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, fields in FIELDS.items() for name in fields], ids=lambda value: value
)
def test_wrong_types_for_every_field(server: ServerProcess, crowd: Crowd, kind: str, name: str) -> None:
    """Each field of each command with each type of JSON that it does not have: refused, one by one."""
    good = FIELDS[kind][name]
    wrong: list[Any] = [[], {}, [good], {"a": good}, 1.5, "" if name != "text" else 0]
    wrong += [value for value in (True, "x\x00", -1) if type(value) is not type(good)]
    if name not in ("cursor", "reply_to", "age_ms"):
        wrong.append(None)

    async def check() -> None:
        for value in wrong:
            async with await RawSocket.open(crowd.url, crowd.offender.token) as socket:
                await socket.until("hello")
                code = await socket.refusal(kind, **{**FIELDS[kind], name: value})
                assert code in ("bad_command", "empty"), (value, code)

    asyncio.run(check())
