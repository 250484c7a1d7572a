"""Frames, right and wrong (RFC 6455), and every close code, on a real server."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from datchat.client import Api, SignIn
from support.people import person
from support.process import ServerProcess
from support.raw_socket import CONTINUATION, PING, TEXT, Closed, Opened, RawSocket

# Frames


async def test_pings_are_answered(here: RawSocket) -> None:
    """With their payload (RFC 6455, section 5.5.3); and so is the command of that name."""
    await here.pong()
    assert (await here.ask("ping"))["type"] == "pong"


async def test_fragments_are_put_together(here: RawSocket, den: str) -> None:
    """In any pieces, with control frames between them."""
    command = json.dumps({"type": "post", "id": 1, "room": den, "nonce": "n", "text": "hello ü"}).encode()
    here.frame(TEXT, command[:5], fin=False)
    here.frame(PING, b"between")
    here.frame(CONTINUATION, b"", fin=False)
    here.frame(CONTINUATION, command[5:-1], fin=False)
    here.frame(CONTINUATION, command[-1:])
    assert (await here.until("stored"))["offset"] == 1
    assert here.pongs == [b"between"]


@pytest.mark.parametrize("pieces", [1, 3])
async def test_a_frame_that_is_too_large_closes_with_1009(here: RawSocket, there: RawSocket, pieces: int) -> None:
    """In one frame or in fragments; 64 KiB itself is fine; nobody else notices."""
    fits = b'{"type":"ping","id":1,"x":"' + b"x" * (65536 - 29) + b'"}'
    assert len(fits) == 65536
    here.frame(TEXT, fits)
    await here.until("pong")
    if pieces == 1:
        here.frame(TEXT, fits + b" ")
    else:
        here.frame(TEXT, fits[:30000], fin=False)
        here.frame(CONTINUATION, fits[30000:], fin=False)
        here.frame(CONTINUATION, b" ")
    assert (await here.closed()).code == 1009
    assert (await there.ask("ping"))["type"] == "pong"


@pytest.mark.parametrize(
    ("opcode", "how"),
    [
        (CONTINUATION, {}),
        (TEXT, {"masked": False}),
        (TEXT, {"reserved": 0x40}),
        (0x3, {}),
        (0xB, {}),
        (PING, {"fin": False}),
    ],
    ids=["continuation of nothing", "unmasked", "reserved bit", "unknown data", "unknown control", "ping in pieces"],
)
async def test_frames_that_break_rfc_6455_close_with_1002(
    here: RawSocket, there: RawSocket, opcode: int, how: dict[str, Any]
) -> None:
    """The connection can't be trusted any more; nobody else notices."""
    here.frame(opcode, b"x", **how)
    assert (await here.closed()).code == 1002
    assert (await there.ask("ping"))["type"] == "pong"


# Close codes


async def test_a_session_that_is_ended_closes_its_sockets_with_4500(
    url: str, opened: Opened, alice: SignIn, bob: SignIn
) -> None:
    """All of that session, at once, after ``bye``; those of other sessions and people live on."""
    async with Api(url) as api:
        again = await api.sign_in(f"{alice.user.name}@example.org", "correct horse battery")
        ended, too = await opened(url, alice.token), await opened(url, alice.token)
        living, other = await opened(url, again.token), await opened(url, bob.token)
        await api.sign_out(alice.token)
    for socket in (ended, too):
        assert (await socket.closed()).code == 4500
        assert socket.of("bye")[0]["retry_after_ms"] is None
    for socket in (living, other):
        assert (await socket.ask("ping"))["type"] == "pong"
    assert (await opened(url, alice.token)).status == 401


async def test_twenty_bad_commands_close_with_4502(url: str, opened: Opened, alice: SignIn) -> None:
    """Each is refused; the twentieth within a minute is the last."""
    socket = await opened(url, alice.token)
    for _ in range(19):
        socket.send("dance")
        assert (await socket.until("refused"))["code"] == "bad_command"
    for _ in range(30):
        assert await socket.refusal("post", room="lobby", nonce="n", text="") == "empty"
    assert (await socket.ask("ping"))["type"] == "pong"
    socket.send("dance")
    assert (await socket.closed()).code == 4502
    assert len([push for push in socket.of("refused") if push["code"] == "bad_command"]) == 20


async def test_a_silent_socket_is_closed_with_4002(tmp_path: Path, opened: Opened) -> None:
    """No pong for two pings; one that answers them lives on, however little it says."""
    with ServerProcess("--data", tmp_path, DATCHAT_PING_S="0.5") as server:
        carol = await person(server.url, "carol")
        silent, quiet = await opened(server.url, carol.token), await opened(server.url, carol.token)
        silent.mute = True
        began = asyncio.get_running_loop().time()
        closed, _ = await asyncio.gather(silent.closed(), _listen(quiet, 2.0))
        assert closed.code == 4002
        assert asyncio.get_running_loop().time() - began >= 0.9
        assert (await quiet.ask("ping"))["type"] == "pong"


async def _listen(socket: RawSocket, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            while True:
                await socket.next()
    except TimeoutError:
        pass


async def test_a_slow_socket_is_closed_with_4001(tmp_path: Path, opened: Opened) -> None:
    """It takes no data for too long: closed, to come back from its cursor."""
    with ServerProcess("--data", tmp_path, DATCHAT_SLOW_S="0.5", DATCHAT_PING_S="1", DATCHAT_POST_RATE="0") as server:
        carol = await person(server.url, "carol")
        slow, busy = await opened(server.url, carol.token), await opened(server.url, carol.token)
        await slow.ask("join", room="lobby")
        slow.pause_reading()
        # More than the kernel's buffers of both ends hold.
        for number in range(3000):
            busy.send("post", room="lobby", nonce=f"n{number}", text="x" * 3900)
            if number % 100 == 99:
                await busy.until(lambda push, n=number: push.get("nonce") == f"n{n}")
        async with asyncio.timeout(10), httpx.AsyncClient(trust_env=False) as http:
            while 'closes_total{code="4001"} 1' not in (await http.get(f"{server.url}/metrics")).text:
                await asyncio.sleep(0.05)
        slow.resume_reading()
        assert (await slow.closed()).code in (4001, 1006), "the close frame may not have fitted any more"
        assert (await busy.ask("ping"))["type"] == "pong"


async def test_a_drain_closes_with_4000(tmp_path: Path, opened: Opened) -> None:
    """SIGTERM: ``bye`` says why and when to come back, posts under way are answered, new sockets get 503."""
    with ServerProcess("--data", tmp_path, DATCHAT_DRAIN_S="0.2") as server:
        carol = await person(server.url, "carol")
        socket = await opened(server.url, carol.token)
        server.signal(signal.SIGTERM)
        assert (await socket.closed()).code == 4000
        bye = socket.of("bye")[0]
        assert bye["reason"]
        assert 0 <= bye["retry_after_ms"] <= 1000
        assert server.wait() == 0


async def test_who_says_goodbye_is_answered(here: RawSocket) -> None:
    """A close frame is answered with its code (RFC 6455, section 5.5.1)."""
    here.frame(0x8, (1000).to_bytes(2, "big"))
    with pytest.raises(Closed) as caught:
        await here.until("never")
    assert caught.value.code == 1000


async def test_nothing_is_lost_between_two_tries_of_a_door(url: str, alice: SignIn) -> None:
    """A socket that is dropped in the handshake leaves no trace, and the next is served."""
    for _ in range(20):
        socket = await RawSocket.open(url, alice.token)
        await socket.end()
    async with await RawSocket.open(url, alice.token) as socket:
        assert (await socket.next())["type"] == "hello"
