"""A whole drill against a chat within the test, with one flaw at a time: each is found and rightly named."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from datchat.drills import run
from datchat.drills.result import Result
from datchat.drills.rivals import workload
from datchat.drills.rivals.rival import Busy, Gone, Guest, Message, Show
from datchat.drills.rivals.workload import RivalWorkload, roles
from datchat.drills.scenarios import Scenario
from datchat.drills.stage import Stage
from datchat.drills.workload.crowd import Size
from unit.drills.fake_target import FakeTarget


class Chat:
    """A ``Rival`` in memory. ``flaw`` says what it does wrong with one message of ten."""

    system = "a chat of the test"
    numbered = True

    def __init__(self, flaw: str = "", *, knows_again: bool = True) -> None:
        self.versions = {"chat": "1"}
        self.knows_again = knows_again
        self.log: list[Message] = []
        self.pages: list[_Page] = []
        self.flaw = flaw
        self.posts = itertools.count(1)

    def rooms(self) -> list[str]:
        return ["lobby"]

    async def arrive(self, url: str, name: str) -> Guest:
        return Guest(name)

    @asynccontextmanager
    async def visit(self, guest: Guest, url: str, rooms: Sequence[str], show: Show) -> AsyncIterator[_Page]:
        page = _Page(self, show)
        for message in self.log:
            show(message)
        self.pages.append(page)
        try:
            yield page
        finally:
            page.closed.set()
            self.pages.remove(page)

    async def history(self, guest: Guest, url: str, room: str) -> list[Message]:
        return list(self.log)

    async def take(self, page: _Page, message: Message) -> None:
        await asyncio.sleep(0)
        flawed = next(self.posts) % 10 == 0
        if flawed and self.flaw == "is busy":
            raise Busy("not now")
        if flawed and self.flaw == "hangs up":
            page.closed.set()
            raise Gone("gone")
        if message not in self.log and not (flawed and self.flaw == "loses"):
            self.log.insert(len(self.log) - 5 if flawed and self.flaw == "reorders" else len(self.log), message)
        if flawed and self.flaw == "doubles":
            self.log.append(message)
        for other in self.pages:
            if not (flawed and self.flaw in ("loses", "hides") and other is not page):
                other.show(message)


class _Page:
    def __init__(self, chat: Chat, show: Show) -> None:
        self.closed = asyncio.Event()
        self.show = show
        self._chat = chat

    async def post(self, message: Message) -> None:
        await self._chat.take(self, message)


async def nothing(stage: Stage) -> None:
    await stage.hold(0)


CALM = Scenario(name="calm", text="", steps=nothing)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A drill of a second: nothing is far away here."""
    monkeypatch.setattr(run, "CALM_S", 0.2)
    monkeypatch.setattr(run, "SAMPLE_S", 0.05)
    monkeypatch.setattr(workload, "LEVEL_S", 0.2)
    monkeypatch.setattr(workload, "BUSY_S", 0.01)
    monkeypatch.setattr(workload, "BACK_S", (0.01, 0.05))


async def drilled(chat: Chat) -> Result:
    order = run.Order(seed=1, size=Size(clients=8, rate=300), lasts_s=0.8)
    return await run.Drill(CALM, FakeTarget(), order, RivalWorkload(chat)).run()


@pytest.mark.parametrize(
    ("flaw", "checkers"),
    [("", set()), ("is busy", set()), ("hangs up", set()), ("doubles", {"once"}), ("hides", {"gapless"})],
)
async def test_a_flaw_is_named(flaw: str, checkers: set[str]) -> None:
    """Being busy and hanging up are none where messages are known again: everything is seen through."""
    result = await drilled(Chat(flaw))

    assert {anomaly.checker for anomaly in result.anomalies} == checkers, result.anomalies
    assert (result.verdict, result.unknown) == ("invalid" if checkers else "valid", {})
    assert (result.system, result.versions["chat"]) == ("a chat of the test", "1")
    assert result.acknowledged > 50
    assert (result.indefinite, result.lost) == (0, 0)
    assert result.doubled > 0 if flaw == "doubles" else result.doubled == 0
    assert result.gaps > 0 if flaw == "hides" else result.gaps == 0


async def test_what_is_lost() -> None:
    """Its author was told that it is stored and was shown it; it is nowhere."""
    result = await drilled(Chat("loses"))

    assert {"kept", "safe"} == {anomaly.checker for anomaly in result.anomalies}
    assert result.lost == result.phantoms > 0
    assert any("acknowledged" in line or "asks" in line for line in result.anomalies[0].story)


async def test_what_is_out_of_order() -> None:
    """A message that stands before what was acknowledged earlier."""
    result = await drilled(Chat("reorders"))

    assert {anomaly.checker for anomaly in result.anomalies} == {"ordered"}
    assert result.reordered > 0


async def test_what_is_not_known_again_is_not_sent_again() -> None:
    """It stays open whether it is there."""
    result = await drilled(Chat("hangs up", knows_again=False))

    assert result.indefinite > 0
    assert result.verdict == "valid"


async def test_a_history_that_cannot_be_read_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was seen before."""

    async def busy(guest: Guest, url: str, room: str) -> list[Message]:
        raise Busy("not now")

    monkeypatch.setattr(workload, "READ_S", 0.1)
    chat = Chat()
    monkeypatch.setattr(chat, "history", busy)
    result = await drilled(chat)

    assert result.verdict == "unknown"
    assert "the history of lobby can't be read: not now" in result.unknown["drill"]


def test_who_takes_part() -> None:
    """A neighbour for each node, and of the others at least one each, however few were asked for."""
    assert roles(1, 2) == ["neighbour-1", "neighbour-2", "poster-1", "reader-1", "late-reader-1"]
    assert len(roles(12, 3)) == 12
    assert roles(12, 3)[-3:] == ["poster-3", "reader-3", "late-reader-3"]
