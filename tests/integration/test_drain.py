"""A node that goes down: it says so first, sends people on one by one, and loses nothing that it has acknowledged."""

from __future__ import annotations

import asyncio
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from datchat.client.clock import boottime
from datchat.drills.checkers import Verdict
from support.crowd import crowd
from support.eventually import eventually
from support.people import fresh, person
from support.process import ServerProcess
from support.raw_socket import Opened

SOCKETS = 200
DRAIN_S = 3.0


def status(url: str) -> int:
    """What ``/readyz`` answers."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


@pytest.mark.timeout(120)
async def test_a_drain_loses_nothing_and_spreads(tmp_path: Path) -> None:
    """
    With 200 sockets and people who write: readiness 404 at once, the sockets closed over the drain's time and not
    together, exit 0 soon after; they go on where they were when the node is there again.
    """
    lost: list[tuple[float, int]] = []

    def note(at: float, code: int, reason: str) -> None:
        lost.append((at, code))

    with ServerProcess("--data", tmp_path, "--drain-s", f"{DRAIN_S}", DATCHAT_POST_RATE="0") as server:
        async with crowd(server.url, SOCKETS, [fresh("den")], accounts=10) as people:
            for member in people.members:
                member.chat.observer.disconnected = note  # type: ignore[method-assign]
            people.post(20)
            await people.goes_on(people.now(), 20)
            told_at = boottime()
            server.signal(signal.SIGTERM)
            await eventually(lambda: status(server.url) == 404)
            assert boottime() - told_at < DRAIN_S / 2
            assert await asyncio.to_thread(server.wait, 12) == 0
            took_s = boottime() - told_at
            first, codes = sorted(at for at, _ in lost), {code for _, code in lost}
            await asyncio.to_thread(server.start)
            await people.goes_on(people.now(), 20)
            judgement = await people.finish()
    assert judgement.verdict is Verdict.VALID, judgement
    assert DRAIN_S * 0.8 < took_s < DRAIN_S + 4
    assert (len(first), codes) == (SOCKETS, {4000})
    assert first[0] - told_at > 0.3, "balancers had no time to look"
    assert first[-1] - first[0] > DRAIN_S * 0.6
    busiest = max(sum(at <= other < at + 0.25 for other in first) for at in first)
    assert busiest < SOCKETS / 3, "a herd"


async def test_bye_spreads_those_who_come_back(tmp_path: Path, opened: Opened) -> None:
    """Each ``bye`` names a pause of its own, of less than a second."""
    with ServerProcess("--data", tmp_path, "--drain-s", "0.5") as server:
        alice = await person(server.url, fresh("alice"))
        sockets = [await opened(server.url, alice.token) for _ in range(30)]
        server.signal(signal.SIGTERM)
        byes: list[dict[str, Any]] = [await socket.until("bye") for socket in sockets]
        assert await asyncio.to_thread(server.wait, 12) == 0
    pauses = [bye["retry_after_ms"] for bye in byes]
    assert len(set(pauses)) > 15
    assert all(0 <= pause < 1000 for pause in pauses)


async def test_a_second_signal_hurries(tmp_path: Path, opened: Opened) -> None:
    """Whoever insists does not wait for the drain."""
    with ServerProcess("--data", tmp_path, "--drain-s", "60") as server:
        alice = await person(server.url, fresh("alice"))
        await opened(server.url, alice.token)
        server.signal(signal.SIGTERM)
        await eventually(lambda: status(server.url) == 404)
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        assert await asyncio.to_thread(server.wait, 12) == 0
        assert time.monotonic() - began < 8
