"""The client as a whole: posting, losses, close codes, signs of life, the end."""

from __future__ import annotations

import asyncio
import socket
import ssl
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import support
from datchat.chat import wire
from datchat.client import (
    Client,
    Ended,
    NotStored,
    OutboxFull,
    Refused,
    RefusedPush,
    RoomEntry,
    RoomNews,
    Stored,
    StoreNews,
    TypingNews,
    Unconfirmed,
)
from datchat.errors import TooLarge
from support.eventually import eventually
from support.scripted_server import ALICE, BOB, Command, Peer, ScriptedServer, scripted_server
from unit.client.conftest import Notes, client, quick


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_the_handshake(server: ScriptedServer) -> None:
    """The token goes as a bearer, the subprotocol is offered, and hello tells who and where one is."""
    async with client(server) as chat:
        headers = server.peer.request.headers
        assert headers["Authorization"] == "Bearer token"
        assert headers["Sec-WebSocket-Protocol"] == "datchat.1"
        assert server.peer.request.path == b"/ws"
        assert chat.connected
        assert chat.node is not None
        assert (chat.node.name, chat.user) == ("script", ALICE)
        assert chat.store == StoreNews("ok", None, 1, 0)
    await eventually(lambda: server.peer.closed_with == 1000)


async def test_tls() -> None:
    """``https`` and ``wss`` are encrypted, with the context that was given; without it a stranger's word is no good."""
    certificate = Path(support.__file__).parent / "tls" / "cert.pem"
    server = ScriptedServer()
    server.ssl = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.ssl.load_cert_chain(certificate, certificate.with_name("key.pem"))
    await server.start()
    url = f"https://localhost:{server.port}"
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with Client(url, "token", options=quick(), ssl_context=trusting) as chat:
        room = await chat.join("lobby")
        assert (await room.post("hello")).offset == 1
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3), Client(url, "token", options=quick()):
            raise AssertionError("it must not come this far")
    assert len(server.peers) == 1
    await server.stop()


async def test_posting(server: ScriptedServer, notes: Notes) -> None:
    """``post`` returns with what the server acknowledged, and the observer sees it begin and end."""
    async with client(server, notes) as chat:
        room = await chat.join("lobby")
        stored = await room.post("hello", reply_to=None)
        assert (stored.offset, stored.copies, stored.duplicate, stored.place) == (1, 1, False, server.lobby.cursor)
        event = await anext(room)
        assert isinstance(event, RoomEntry)
        assert (event.text, event.nonce, event.author) == ("hello", stored.nonce, ALICE)
    assert [kind for kind, _ in notes.told] == ["connected", "invoked", "completed", "received", "disconnected"]
    assert notes.of("completed") == [(stored.nonce, stored)]


async def test_every_kind_of_command(server: ScriptedServer) -> None:
    """Edits, deletions and reactions take the same way as posts."""
    async with client(server) as chat:
        room = await chat.join("lobby")
        await room.post("hello")
        await room.edit(1, "hullo")
        await room.react(1, "👍")
        await room.react(1, "👍", on=False)
        await room.delete(1)
        said = [{**command, "id": 0, "nonce": 0} for command in server.peer.heard if "nonce" in command]
        assert said == [
            {"type": "post", "id": 0, "nonce": 0, "room": "lobby", "text": "hello"},
            {"type": "edit", "id": 0, "nonce": 0, "room": "lobby", "target": 1, "text": "hullo"},
            {"type": "react", "id": 0, "nonce": 0, "room": "lobby", "target": 1, "emoji": "👍", "on": True},
            {"type": "react", "id": 0, "nonce": 0, "room": "lobby", "target": 1, "emoji": "👍", "on": False},
            {"type": "delete", "id": 0, "nonce": 0, "room": "lobby", "target": 1},
        ]
        nonces = [command["nonce"] for command in server.peer.heard if "nonce" in command]
        assert len(set(nonces)) == 5


async def test_many_in_flight(server: ScriptedServer) -> None:
    """Hundreds are submitted at once and stored in their order, a window at a time."""
    async with client(server, window=16) as chat:
        room = await chat.join("lobby")
        waiting = [room.submit(f"message {number}") for number in range(300)]
        stored = await asyncio.gather(*waiting)
        assert [each.offset for each in stored] == list(range(1, 301))
        assert all(each.done() for each in waiting)


async def test_a_lost_answer_is_asked_for_again_with_the_same_nonce_and_its_age(server: ScriptedServer) -> None:
    """Stored, but the acknowledgement is lost with the connection: the second try is told where it is."""

    def swallow(peer: Peer, command: Command) -> None:
        server.keep(command)
        del server.answers["post"]
        peer.cut()

    server.answers["post"] = swallow
    async with client(server) as chat:
        room = await chat.join("lobby")
        stored = await room.post("once")
        assert (stored.offset, stored.duplicate) == (1, True)
        first, second = [post for peer in server.peers for post in peer.of("post")]
        assert first["nonce"] == second["nonce"]
        assert "age_ms" not in first
        assert second["age_ms"] >= 0
        assert len(server.lobby.entries) == 1


async def test_posts_survive_every_loss_in_order(server: ScriptedServer) -> None:
    """The line is cut at each 7th post, half the time after it was stored: each is stored once, in order."""
    count = 0

    def shaky(peer: Peer, command: Command) -> None:
        nonlocal count
        count += 1
        if count % 7 == 0:
            if count % 2:
                server.keep(command)
            peer.cut()
        else:
            server.store(peer, command)

    server.answers["post"] = shaky
    async with client(server) as chat:
        room = await chat.join("lobby")
        await asyncio.gather(*[room.submit(f"{number}") for number in range(100)])
        texts = []
        async for event in room:
            assert isinstance(event, RoomEntry)
            texts.append(event.text)
            if len(texts) == 100:
                break
        assert texts == [f"{number}" for number in range(100)]


async def test_trouble_is_told(server: ScriptedServer) -> None:
    """Whoever waits for the connection can be told why there is none."""
    async with client(server) as chat:
        assert chat.trouble is None
        server.peer.close(4002, "no sign of life")
        server.status = 503
        await eventually(lambda: (chat.trouble or "").startswith("503"))
        server.status = None
        await eventually(lambda: chat.trouble is None)
        await server.stop()
        await eventually(lambda: "refused" in (chat.trouble or "").lower())
        await server.start()


async def test_submitting_without_a_connection(server: ScriptedServer) -> None:
    """It waits in the outbox, without an age, until the server is back."""
    async with client(server) as chat:
        await server.stop()
        await eventually(lambda: not chat.connected)
        waiting = chat.submit(wire.Post(room=server.lobby.room, nonce="n1", text="later"))
        await server.start()
        assert (await waiting).offset == 1
        assert "age_ms" not in server.peer.of("post")[0]


@pytest.mark.parametrize("code", ["too_large", "empty", "forbidden", "no_such_entry", "no_such_room", "bad_command"])
async def test_a_refusal_for_good(server: ScriptedServer, code: str) -> None:
    """Raised by the post, with the code; nothing is tried again."""
    server.answers["post"] = lambda peer, command: server.refuse(peer, command, code)
    async with client(server) as chat:
        room = await chat.join("lobby")
        with pytest.raises(Refused) as caught:
            await room.post("hello")
        assert caught.value.code == code
        assert len(server.peer.of("post")) == 1


@pytest.mark.parametrize(("code", "after_ms"), [("rate_limited", 30), ("unavailable", None)])
async def test_a_refusal_for_a_while(server: ScriptedServer, code: str, after_ms: int | None) -> None:
    """Tried again with the same nonce, not before the time that was asked for."""
    times: list[float] = []

    def answer(peer: Peer, command: Command) -> None:
        times.append(asyncio.get_running_loop().time())
        if len(times) < 3:
            server.refuse(peer, command, code, retry=True, after_ms=after_ms)
        else:
            server.store(peer, command)

    server.answers["post"] = answer
    async with client(server) as chat:
        room = await chat.join("lobby")
        assert (await room.post("hello")).offset == 1
    assert len({post["nonce"] for post in server.peer.of("post")}) == 1
    if after_ms is not None:
        assert times[1] - times[0] >= after_ms / 1000


async def test_stale_nonce_is_told_for_what_it_is(server: ScriptedServer) -> None:
    """The first try's answer was lost and the second is too late: it may or may not be stored."""
    clock = Clock()
    server.answers["post"] = lambda peer, command: (
        server.refuse(peer, command, "stale_nonce") if "age_ms" in command else peer.cut()
    )
    async with client(server, clock=clock) as chat:
        room = await chat.join("lobby")
        with pytest.raises(Unconfirmed, match="stale_nonce"):
            await room.post("hello")


async def test_past_the_window_it_is_not_sent_again(server: ScriptedServer) -> None:
    """Ten minutes without a connection: given up here, since the server may have forgotten the nonce."""
    clock = Clock()
    server.answers["post"] = lambda peer, command: peer.cut()
    async with client(server, clock=clock, backoff_s=50.0, backoff_cap_s=50.0) as chat:
        room = await chat.join("lobby")
        waiting = room.submit("hello")
        await eventually(lambda: not chat.connected)
        never_sent = room.submit("later")
        clock.now += 600.0
        room.submit("this wakes the outbox")
        with pytest.raises(Unconfirmed, match="too old"):
            await waiting
        assert not never_sent.done()
        raised = asyncio.create_task(never_sent_outcome(never_sent))
        chat._options = quick(flush_s=0.01)
    assert isinstance(await raised, NotStored)


async def never_sent_outcome(waiting: Any) -> Exception | None:
    try:
        await waiting
    except NotStored as error:
        return error
    return None


async def test_the_window_ends_by_itself(server: ScriptedServer) -> None:
    """Nobody has to do anything for what is too old to be given up."""
    server.answers["post"] = lambda peer, command: peer.cut()
    async with client(server, nonce_window_s=0.05, backoff_s=50.0, backoff_cap_s=50.0) as chat:
        room = await chat.join("lobby")
        with pytest.raises(Unconfirmed):
            await room.post("hello")


async def test_the_outbox_is_bounded(server: ScriptedServer) -> None:
    """Past its capacity nothing is taken, and that is said."""
    server.answers["post"] = lambda peer, command: None
    async with client(server, outbox=3, flush_s=0.01) as chat:
        room = await chat.join("lobby")
        for _ in range(3):
            room.submit("hello")
        with pytest.raises(OutboxFull):
            await room.post("one too many")


async def test_what_no_server_would_take_is_not_sent(server: ScriptedServer) -> None:
    """A frame past the limit would close the connection, again and again."""
    async with client(server) as chat:
        room = await chat.join("lobby")
        with pytest.raises(TooLarge):
            await room.post("x" * 70_000)
        assert server.peer.of("post") == []


@pytest.mark.parametrize("code", [4000, 4001, 4002, 4099, 4499, 1001, 1006, 1009, 1011, 1012])
async def test_close_codes_that_mean_come_back(server: ScriptedServer, notes: Notes, code: int) -> None:
    """4000 to 4499 and the protocol's own: connect again."""
    async with client(server, notes) as chat:
        room = await chat.join("lobby")
        peer = server.peer
        if code == 1006:
            peer.cut()
        else:
            peer.close(code, "because")
        server.lobby.append("meanwhile")
        event = await anext(room)
        assert isinstance(event, RoomEntry)
        assert notes.of("disconnected") == [(code, "" if code == 1006 else "because")]
        assert len(server.peers) == 2
        assert chat.failure is None


@pytest.mark.parametrize("code", [4500, 4501, 4502, 4503, 4999])
async def test_close_codes_that_mean_stay_away(server: ScriptedServer, code: int) -> None:
    """4500 and above: over, and everything that waits is told; nobody connects again."""
    server.answers["post"] = lambda peer, command: peer.close(code, "go away")
    async with client(server, window=1) as chat:
        room = await chat.join("lobby")
        sent, unsent = room.submit("hello"), room.submit("hello")
        with pytest.raises(Ended, match="go away") as caught:
            await anext(room)
        assert caught.value.code == code
        with pytest.raises(Unconfirmed):
            await sent
        with pytest.raises(NotStored):
            await unsent
        with pytest.raises(Ended):
            room.submit("hello")
        with pytest.raises(Ended):
            await chat.join("den")
        assert chat.failure == caught.value
    assert len(server.peers) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_handshakes_that_mean_stay_away(server: ScriptedServer, status: int) -> None:
    """No session, a wrong origin, no such place: entering fails at once, with the status."""
    server.status = status
    with pytest.raises(Ended) as caught:
        async with client(server):
            raise AssertionError("it must not come this far")
    assert caught.value.code == status


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_handshakes_that_mean_try_again(server: ScriptedServer, status: int) -> None:
    """A server that can't for now: entering waits."""
    server.status = status
    asyncio.get_running_loop().call_later(0.05, setattr, server, "status", None)
    async with client(server) as chat:
        assert chat.connected


async def test_a_session_that_ended_while_away(server: ScriptedServer) -> None:
    """401 to a reconnect ends the client."""
    async with client(server) as chat:
        room = await chat.join("lobby")
        server.status = 401
        server.peer.cut()
        with pytest.raises(Ended):
            await anext(room)


async def test_another_protocol_version(server: ScriptedServer) -> None:
    """A hello of a version that this client doesn't speak ends it with 4501."""
    server.protocol = 2
    with pytest.raises(Ended) as caught:
        async with client(server):
            raise AssertionError("it must not come this far")
    assert caught.value.code == 4501


async def test_bye_says_when_to_come_back(server: ScriptedServer) -> None:
    """Not sooner than the server asked for; without that, after a short random pause."""
    async with client(server) as chat:
        room = await chat.join("lobby")
        began = asyncio.get_running_loop().time()
        server.peer.say(wire.bye("draining", 300))
        server.peer.close(4000, "draining")
        server.lobby.append("meanwhile")
        await anext(room)
        assert asyncio.get_running_loop().time() - began >= 0.3
        assert chat.failure is None


async def test_urls_are_used_in_turn(server: ScriptedServer, notes: Notes) -> None:
    """A loss moves on to the next address, a dead one is passed over, and the first comes round again."""
    async with scripted_server() as second:
        dead = "http://127.0.0.1:1"
        second.logs = server.logs
        async with Client([server.url, dead, second.url], "token", options=quick(), observer=notes) as chat:
            room = await chat.join("lobby")
            server.peer.cut()
            await eventually(lambda: second.peers and second.peer.of("join"))
            second.peer.push(second.lobby.append("from the second"))
            await anext(room)
            second.peer.cut()
            await eventually(lambda: len(server.peers) == 2)
            await eventually(lambda: chat.connected)
        ports = [url.split(":")[2].split("/")[0] for url in notes.of("connected")]
        assert ports == [str(server.port), str(second.port), str(server.port)]


async def test_the_server_s_pings_are_answered(server: ScriptedServer) -> None:
    """And count as a sign of life: nobody drops a quiet line."""
    server.ping_s = 0.2
    async with client(server):
        peer = server.peer
        for number in range(1, 5):
            peer.transport.send_ping(b"?")
            await eventually(lambda number=number: peer.pongs == number)
            await asyncio.sleep(0.12)  # the time itself is what is tested here
        assert len(server.peers) == 1


async def test_a_dead_server_is_noticed(server: ScriptedServer, notes: Notes) -> None:
    """The line stands but nothing comes, not even to our ping: dropped after two of its ping intervals."""
    server.ping_s = 0.1
    server.pongs = False
    async with client(server, notes):
        await eventually(lambda: len(server.peers) >= 2)
        assert notes.of("disconnected")[0] == (1006, "no sign of life")
        assert server.peers[0].pings >= 1


async def test_a_server_that_answers_our_pings_is_alive(server: ScriptedServer) -> None:
    """Even if it sends none of its own."""
    server.ping_s = 0.1
    async with client(server):
        await eventually(lambda: server.peer.pings >= 5)
        assert len(server.peers) == 1


async def test_a_server_without_hello_is_left(server: ScriptedServer) -> None:
    """The handshake alone is no connection."""
    server.hello = False
    asyncio.get_running_loop().call_later(0.15, setattr, server, "hello", True)
    async with client(server, connect_s=0.1) as chat:
        assert chat.connected
        assert len(server.peers) >= 2


async def test_a_listener_that_never_shakes_hands() -> None:
    """A half-open server: it can be connected to, and never says a word. Tried again after the time for connecting."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.6), Client(f"http://127.0.0.1:{port}", None, options=quick(connect_s=0.1)):
                raise AssertionError("it must not come this far")
        for _ in range(3):
            listener.accept()[0].close()


async def test_the_first_try_is_given_up_soonest() -> None:
    """What got lost on the way to a node that has just left is not waited for; a slow server gets its time later."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        loop = asyncio.get_running_loop()
        listener.setblocking(False)
        came: list[float] = []

        async def count() -> None:
            held = []
            while len(came) < 4:
                held.append((await loop.sock_accept(listener))[0])
                came.append(loop.time())
            for line in held:
                line.close()

        counting = asyncio.create_task(count())
        options = quick(first_connect_s=0.1, connect_s=60, backoff_s=0.0)
        entering = asyncio.create_task(Client(f"http://127.0.0.1:{port}", None, options=options).__aenter__())
        await counting
        entering.cancel()
        await asyncio.wait([entering])
    pauses = [later - sooner for sooner, later in pairwise(came)]
    assert pauses[0] >= 0.09
    assert pauses[1] >= 0.19
    assert pauses[2] >= 0.39
    assert sum(pauses) < 30


async def test_answers_that_never_come(server: ScriptedServer, notes: Notes) -> None:
    """A server that lives but doesn't answer: another connection may be luckier."""
    swallowed: list[Command] = []

    def swallow(peer: Peer, command: Command) -> None:
        swallowed.append(command)
        del server.answers["post"]

    server.answers["post"] = swallow
    async with client(server, notes, answer_s=0.1) as chat:
        room = await chat.join("lobby")
        assert (await room.post("hello")).offset == 1
        assert notes.of("disconnected")[0] == (1006, "no answer")


async def test_what_is_no_push_ends_the_connection(server: ScriptedServer, notes: Notes) -> None:
    """Nonsense from the server: that connection can't be trusted; the next may."""
    async with client(server, notes):
        server.peer.say(b'{"type":"stored"}')
        await eventually(lambda: len(server.peers) == 2)
        assert notes.of("disconnected")[0] == (1006, "a push that can't be read")


async def test_fragments_are_put_together(server: ScriptedServer) -> None:
    """A push in pieces (RFC 6455, section 5.4), with a ping between them."""
    from picows import WSMsgType

    async with client(server) as chat:
        room = await chat.join("lobby")
        push = wire.entry_json(server.lobby.append("hello"))
        transport = server.peer.transport
        transport.send(WSMsgType.TEXT, push[:10], fin=False)
        transport.send_ping(b"")
        transport.send(WSMsgType.CONTINUATION, push[10:20], fin=False)
        transport.send(WSMsgType.CONTINUATION, push[20:])
        event = await anext(room)
        assert isinstance(event, RoomEntry)
        assert event.text == "hello"


async def test_news(server: ScriptedServer, notes: Notes) -> None:
    """What is told in passing goes to the callback; the store's state is kept too."""
    async with client(server, notes) as chat:
        await chat.join("lobby")
        server.peer.say(wire.typing("lobby", BOB))
        server.peer.say({"type": "room", "change": "created", "room": {"id": "den", "title": "Den"}})
        server.peer.say({"type": "store", "state": "degraded", "master": "redis1", "copies": 1, "since_ms": 5})
        server.peer.say({"type": "refused", "code": "forbidden", "message": "no", "retry": False})
        server.peer.say({"type": "horoscope"})
        await eventually(lambda: len(notes.news) == 4)
        assert [type(each) for each in notes.news] == [TypingNews, RoomNews, StoreNews, RefusedPush]
        assert chat.store is not None
        assert chat.store.state == "degraded"


async def test_leaving_flushes_the_outbox(server: ScriptedServer) -> None:
    """The end of the block waits for what is on its way."""
    async with client(server) as chat:
        waiting = [chat.submit(wire.Post(room=server.lobby.room, nonce=f"n{n}", text="hello")) for n in range(50)]
    assert [(await each).offset for each in waiting] == list(range(1, 51))


async def test_leaving_waits_for_so_long_only(server: ScriptedServer) -> None:
    """After the deadline what is left is told what is known of it."""
    server.answers["post"] = lambda peer, command: None
    async with client(server, window=1, flush_s=0.05) as chat:
        room = await chat.join("lobby")
        sent, unsent = room.submit("hello"), room.submit("hello")
    with pytest.raises(Unconfirmed):
        await sent
    with pytest.raises(NotStored):
        await unsent


async def test_leaving_by_an_exception_does_not_wait(server: ScriptedServer, notes: Notes) -> None:
    """The exception comes out as it is, and every command is told its end."""
    server.answers["post"] = lambda peer, command: None

    async def fail() -> None:
        async with client(server, notes, flush_s=60) as chat:
            room = await chat.join("lobby")
            room.submit("hello")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert len(notes.of("invoked")) == len(notes.of("completed")) == 1


async def test_closing_ends_iteration(server: ScriptedServer) -> None:
    """A reader in another task is not left waiting."""
    async with client(server) as chat:
        room = await chat.join("lobby")

        async def read() -> int:
            return len([event async for event in room])

        reader = asyncio.create_task(read())
        server.peer.push(server.lobby.append("one"))
        await eventually(lambda: not room._unread and room.cursor == server.lobby.cursor)
    assert await reader == 1


async def test_entering_can_be_given_up(server: ScriptedServer) -> None:
    """Nobody there: the time-out of whoever enters ends it, and nothing is left behind."""
    before = asyncio.all_tasks()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1), Client("http://127.0.0.1:1", None, options=quick()):
            raise AssertionError("it must not come this far")
    assert asyncio.all_tasks() == before


async def test_giving_up_in_the_handshake_drops_the_connection() -> None:
    """At once, and not when the handshake's own time is out: nothing of a closed client lingers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1), Client(f"http://127.0.0.1:{port}", None, options=quick(connect_s=60)):
                raise AssertionError("it must not come this far")
        accepted, _ = listener.accept()
        accepted.settimeout(5)
        with accepted:
            assert accepted.recv(4096).startswith(b"GET /ws ")
            assert accepted.recv(4096) == b"", "closed"


async def test_no_task_is_left(server: ScriptedServer) -> None:
    """Leaving ends everything that entering began."""
    before = asyncio.all_tasks()
    async with client(server) as chat:
        await chat.join("lobby")
    assert asyncio.all_tasks() == before


async def test_a_client_is_entered_once(server: ScriptedServer) -> None:
    """It has one life."""
    chat = client(server)
    async with chat:
        pass
    with pytest.raises(RuntimeError, match="once"):
        async with chat:
            pass


async def test_a_fault_of_an_observer_is_not_swallowed(server: ScriptedServer) -> None:
    """A bug in what watches ends the client, and leaving raises it."""

    class Faulty(Notes):
        def received(self, at: float, entry: RoomEntry) -> None:
            raise ZeroDivisionError

    async def be_watched() -> None:
        async with client(server, Faulty()) as chat:
            room = await chat.join("lobby")
            server.peer.push(server.lobby.append("one"))
            with pytest.raises(Ended, match="has failed"):
                await anext(room)

    with pytest.raises(ZeroDivisionError):
        await be_watched()


async def test_a_client_that_stops_reading(server: ScriptedServer) -> None:
    """Paused, nothing is read and the line is not taken for dead; resumed, everything comes."""
    server.ping_s = 0.1
    server.pongs = False
    async with client(server) as chat:
        room = await chat.join("lobby")
        chat.pause_reading()
        server.peer.push(server.lobby.append("one"))
        await asyncio.sleep(0.3)  # three of its ping intervals, in which nothing may be seen
        assert not room._unread
        assert len(server.peers) == 1
        chat.resume_reading()
        event = await anext(room)
        assert isinstance(event, RoomEntry)


async def test_a_pending_can_be_awaited_by_many(server: ScriptedServer) -> None:
    """One who gives up waiting doesn't take the answer from the others."""
    async with client(server) as chat:
        server.answers["post"] = lambda peer, command: None
        room = await chat.join("lobby")
        pending = room.submit("hello")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await pending
        del server.answers["post"]
        server.peer.cut()
        first, second = await asyncio.gather(pending_outcome(pending), pending_outcome(pending))
        assert first == second
        assert first.offset == 1


async def pending_outcome(pending: Any) -> Stored:
    outcome = await pending
    assert isinstance(outcome, Stored)
    return outcome


def test_a_client_needs_a_url() -> None:
    """No address, or none that is one, is said at once."""
    with pytest.raises(ValueError, match="needs a URL"):
        Client([], None)
    with pytest.raises(ValueError, match="looks like"):
        Client("nowhere", None)


async def test_nonces_differ_between_clients_and_are_well_formed(server: ScriptedServer) -> None:
    """128 random bits, of the characters that the protocol allows."""
    nonces = {client(server).nonce() for _ in range(100)}
    assert len(nonces) == 100
    assert all(nonce.isalnum() and len(nonce) == 32 for nonce in nonces)
