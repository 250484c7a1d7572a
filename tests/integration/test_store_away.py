"""The site while its store is away: what pages, the API, health and the socket say, and that it passes by itself."""

from __future__ import annotations

import json
import signal
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from datchat.chat import wire
from datchat.chat.model import RoomId
from datchat.client import Client, Options
from datchat.node.limits import Limits
from support.clusters import needs_servers
from support.eventually import eventually
from support.outage import REASON, Outage
from support.people import fresh, person
from support.process import ServerProcess
from support.raw_socket import Opened
from support.redis_servers import redis_server
from support.serving import Served, serving

LIMITS = Limits(post_rate=0, drain_s=0, ready_s=0.3, post_deadline_s=0.5, session_check_s=0.05)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving(Outage(), LIMITS) as served:
        yield served


async def test_health_tells_the_process_from_its_store(served: Served) -> None:
    """``/healthz`` is 200: a restart would not help. ``/readyz`` is 503 with the reason, and 200 once it is over."""
    client = served.client()
    served.backend.begin()
    assert (await client.get("/healthz")).status_code == 200
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["message"]) == (503, REASON)
    served.backend.end()
    assert (await client.get("/readyz")).status_code == 200


async def test_a_page_says_so_and_tries_again(served: Served) -> None:
    """A calm 503 that loads itself again, and the chat once the store is back; nobody is signed out by it."""
    alice = await served.browser()
    served.backend.begin()
    answer = await alice.get("/")
    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    assert '<meta http-equiv="refresh" content="' in answer.text
    assert "tries again by itself" in answer.text
    assert "datchat_session" not in answer.headers.get("set-cookie", "")
    served.backend.end()
    assert (await alice.get("/")).status_code == 200


async def test_only_what_was_asked_for_is_asked_for_again(served: Served) -> None:
    """Neither a page of another error nor the answer to a form loads itself."""
    alice = await served.browser()
    assert "http-equiv" not in (await alice.get("/rooms/nowhere")).text
    served.backend.begin()
    answer = await alice.post("/auth/sign_out", data={"_method": "delete", "csrf_token": alice.headers["x-csrf-token"]})
    assert answer.status_code == 503
    assert "http-equiv" not in answer.text


async def test_the_api_knows_people_and_refuses_what_needs_the_store(served: Served) -> None:
    """``GET /me`` is answered from the token; a post is ``unavailable``, with when to try again."""
    alice = await served.person()
    served.backend.begin()
    assert (await alice.get("/api/v1/me")).json()["name"] == "alice"
    answer = await alice.post("/api/v1/rooms/lobby/entries", json={"nonce": "a", "text": "hello"})
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1


async def test_people_reconnect_while_the_store_is_away(served: Served, opened: Opened) -> None:
    """The socket opens on the token's word, says that the store fails over, and goes on when it is back."""
    alice = await served.person()
    token = alice.headers["authorization"].split()[1]
    served.backend.begin(since_ms=served.node.wall())
    socket = await opened(served.url, token)
    assert socket.status == 101
    assert (await socket.ask("join", room="lobby"))["code"] == "unavailable"
    served.backend.end()
    assert (await socket.ask("join", room="lobby"))["type"] == "joined"
    assert (await socket.ask("post", room="lobby", nonce="a", text="hello"))["type"] == "stored"


async def test_a_session_that_had_ended_is_closed_when_the_store_is_back(served: Served, opened: Opened) -> None:
    """What a node that heard nothing let in is looked up as soon as it can be."""
    alice = await served.person()
    token = alice.headers["authorization"].split()[1]
    account = await served.backend.backend.accounts.by_email("alice@example.org")
    served.backend.begin()
    await served.backend.backend.accounts.disable(account.id, True)
    socket = await opened(served.url, token)
    assert socket.status == 101
    served.backend.end()
    assert (await socket.closed()).code == 4500


async def test_without_grace_nobody_gets_in(opened: Opened) -> None:
    """``session_grace_s`` of 0: 503, which is not 401: nobody is sent to sign in."""
    async with serving(Outage(), Limits(post_rate=0, drain_s=0, session_grace_s=0)) as served:
        alice = await served.person()
        served.backend.begin()
        assert (await opened(served.url, alice.headers["authorization"].split()[1])).status == 503


@needs_servers
@pytest.mark.timeout(90)
async def test_a_redis_that_comes_later_and_goes(tmp_path: Path) -> None:
    """
    A node that was there before its Redis serves once that comes; people who come back while it is killed get in, are
    told that the store fails over, and what they write then is stored when it is back.
    """
    with redis_server(tmp_path / "redis") as redis:
        redis.kill()
        with ServerProcess("--store", redis.url, DATCHAT_SECRET="a secret of thirty-two bytes, all") as server:
            assert not server.ready()
            redis.start()
            await eventually(server.ready, 15, describe=server.log)
            alice = await person(server.url, fresh("alice"))
            async with Client(server.url, alice.token) as chat:
                await (await chat.join("lobby")).post("before")
            redis.kill()
            await eventually(lambda: not server.ready())
            async with Client(server.url, alice.token, options=Options(flush_s=20)) as chat:
                assert chat.store is not None
                await eventually(lambda: chat.store is not None and chat.store.state == "failing_over")
                pending = chat.submit(wire.Post(room=RoomId("lobby"), nonce="kept", text="meanwhile"))
                redis.start()
                assert (await pending).offset == 2
                await eventually(lambda: chat.store is not None and chat.store.state == "ok")
            assert len(server.log().splitlines()) < 30 + 2, server.log()


def test_a_real_node_starts_without_redis_and_stops_when_told() -> None:
    """A process: it serves, is not ready and says why, says little, and ends with 0 within a moment of SIGTERM."""
    with ServerProcess("--store", "redis://127.0.0.1:1", "--drain-s", "0.2") as server:
        with urllib.request.urlopen(f"{server.url}/healthz", timeout=5) as answer:
            assert answer.status == 200
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{server.url}/readyz", timeout=5)
        assert caught.value.code == 503
        assert "127.0.0.1:1" in json.load(caught.value)["message"]
        caught.value.close()
        used = cpu_s(server)
        time.sleep(2)
        assert cpu_s(server) - used < 0.5, "a node that waits is busy"
        server.signal(signal.SIGTERM)
        assert server.wait(8) == 0
        assert len(server.log().splitlines()) < 30, server.log()
        assert "no --secret" in server.log(), "nodes that sign by secrets of their own are no cluster"


def cpu_s(server: ServerProcess) -> float:
    """Seconds of processor time that the process has used."""
    assert server.process is not None
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
