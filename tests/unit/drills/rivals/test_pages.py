"""Pages of rivals against a small server within the test, one tongue each."""

from __future__ import annotations

import asyncio
import html
import json
from collections.abc import AsyncIterator
from types import SimpleNamespace

import httpx
import pytest
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from datchat.drills.rivals import acknowledged, channels, original
from datchat.drills.rivals.rival import Gone, Guest, Message

NONCE = "ab" * 16
HELLO = f"poster-1 says 1 {NONCE}"


class Echo(WSListener):
    """Answers as the server of the test is told to; ``None`` hangs up."""

    def __init__(self, answers: Answering) -> None:
        self._answers = answers

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            for answer in self._answers.to(json.loads(frame.get_payload_as_bytes())):
                transport.send(WSMsgType.TEXT, json.dumps(answer).encode())
            if self._answers.hangs_up:
                transport.disconnect()


class Answering:
    hangs_up = False

    def to(self, said: dict[str, object]) -> list[object]:
        self.heard.append(said)
        return self.answers(said)

    def __init__(self) -> None:
        self.heard: list[object] = []
        self.cookies: list[str] = []
        self.answers = lambda said: []


@pytest.fixture
async def server() -> AsyncIterator[SimpleNamespace]:
    answering = Answering()

    def accept(request: WSUpgradeRequest) -> WSListener:
        answering.cookies.append(str(request.headers.get("Cookie", "")))
        return Echo(answering)

    listening = await ws_create_server(accept, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    yield SimpleNamespace(url=f"http://127.0.0.1:{port}", answering=answering)
    listening.close()


@pytest.fixture
def page_of_2015(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its page, as the program beside the drills prints it."""

    async def ask(method: str, url: str, path: str, **request: object) -> httpx.Response:
        panels = "".join(f"<div class='panel-body'>{html.escape(text)}</div>" for text in ("a & b", "c"))
        return httpx.Response(200, text=f"<main><div class='panel-heading'>x</div>{panels}</main>")

    monkeypatch.setattr(original, "ask", ask)
    monkeypatch.setattr(original, "version", lambda name: "1")


@pytest.mark.usefixtures("page_of_2015")
async def test_a_page_of_2015(server: SimpleNamespace) -> None:
    """It shows what is on the page, then what comes; the message that comes back is the acknowledgement."""
    server.answering.answers = lambda said: [{"handle": "x", "text": html.escape("<hm>")}, {"handle": "x", **said}]
    shown: list[Message] = []
    async with original.Original().visit(Guest("poster-1", "id=1"), server.url, ["chat-demo"], shown.append) as page:
        await page.post(Message("chat-demo", HELLO))

    assert [message.text for message in shown] == ["a & b", "c", "<hm>", HELLO]
    assert server.answering.heard == [{"text": HELLO}]
    assert server.answering.cookies == ["id=1"]
    with pytest.raises(Gone, match="closed"):
        await page.post(Message("chat-demo", HELLO))


@pytest.mark.usefixtures("page_of_2015")
@pytest.mark.parametrize("hangs_up", [True, False])
async def test_a_message_that_does_not_come_back(
    server: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, hangs_up: bool
) -> None:
    """Nobody knows whether it is there."""
    monkeypatch.setattr(original, "PATIENCE_S", 10 if hangs_up else 0.05)
    server.answering.hangs_up = hangs_up
    async with original.Original().visit(Guest("poster-1"), server.url, ["chat-demo"], lambda message: None) as page:
        with pytest.raises(Gone, match="closed before" if hangs_up else "did not come back within"):
            await page.post(Message("chat-demo", HELLO))


async def test_a_page_of_channels(server: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """It joins from the places that it has seen, remembers the furthest, and waits until a message is stored."""

    def answers(said: dict[str, dict[str, str]]) -> list[object]:
        lines = [{"room": "r", "text": "old", "place": place} for place in ("7-10", "7-9")]
        if "join" in said:
            return [{"joined": lines}]
        return [{"room": "r", "text": said["post"]["text"], "place": "8-0"}, {"stored": said["post"]["id"]}]

    monkeypatch.setattr(channels, "version", lambda name: "1")
    server.answering.answers = answers
    guest = Guest("poster-1", places={"r": "6-1"})
    shown: list[Message] = []
    async with channels.Channels().visit(guest, server.url, ["r", "s"], shown.append) as page:
        await page.post(Message("r", HELLO))

    assert server.answering.heard[0] == {"join": {"r": "6-1", "s": ""}}
    assert server.answering.heard[1] == {"post": {"room": "r", "id": NONCE, "text": HELLO}}
    assert [message.place for message in shown] == ["7-10", "7-9", "8-0"]
    assert guest.places == {"r": "8-0"}


async def test_nobody_there() -> None:
    """A page that can't be opened is gone; whoever stays tries again."""
    with pytest.raises(Gone, match="no socket"):
        async with channels.opened("http://127.0.0.1:1/ws", {}, lambda frame: None):
            pass


async def test_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """None in time, or a page that closed, leaves it open; one that nobody awaits is dropped."""
    answers, closed = acknowledged.Answers(), asyncio.Event()
    answers.came("early")
    waiting = asyncio.create_task(answers.wait("a", closed))
    await asyncio.sleep(0)
    answers.came("a")
    await waiting
    monkeypatch.setattr(acknowledged, "ANSWER_S", 0.05)
    with pytest.raises(Gone, match=r"no answer within 0\.05 s"):
        await answers.wait("b", closed)
    closed.set()
    with pytest.raises(Gone, match="the page closed"):
        await answers.wait("c", closed)
