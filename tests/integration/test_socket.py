"""The protocol's part on the socket, on a real server, frame by frame: the handshake, joining, posting."""

from __future__ import annotations

import json
from typing import Any

import pytest

from datchat.chat.chain import extend
from datchat.chat.model import GENESIS
from datchat.client import SignIn
from support.raw_socket import TEXT, Opened, RawSocket

# The handshake


async def test_hello_is_the_first_frame(url: str, alice: SignIn) -> None:
    """It names the protocol, the node, the user, the ping interval, the limits and the store's state."""
    async with await RawSocket.open(url, alice.token) as socket:
        hello = await socket.next()
    assert hello["type"] == "hello"
    assert hello["protocol"] == 1
    assert hello["node"] == {"name": "web0", "addresses": ["127.0.0.1"]}
    assert hello["user"] == {"id": alice.user.id, "name": alice.user.name}
    assert hello["ping_s"] == 15
    assert hello["limits"] == {"text": 4000, "frame": 65536}
    assert hello["store"]["state"] == "ok"


async def test_the_subprotocol_is_selected_when_offered(url: str, alice: SignIn, opened: Opened) -> None:
    """Among others too; who offers none, or others only, is served all the same and told none."""
    for offered, selected in [("datchat.1", "datchat.1"), ("chat, datchat.1", "datchat.1"), ("chat", None)]:
        socket = await opened(url, alice.token, Sec_WebSocket_Protocol=offered)
        assert (socket.status, socket.headers.get("sec-websocket-protocol")) == (101, selected)
    socket = await opened(url, alice.token)
    assert (socket.status, socket.headers.get("sec-websocket-protocol")) == (101, None)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nonsense"}, {"Cookie": "datchat_session=nonsense"}])
async def test_no_valid_session_is_401(url: str, opened: Opened, headers: dict[str, str]) -> None:
    """The handshake is refused, before anything is said."""
    assert (await opened(url, **headers, Origin=url)).status == 401


async def test_the_cookie_opens_the_socket_to_pages_of_the_same_host_only(
    url: str, alice: SignIn, opened: Opened
) -> None:
    """Any other origin, or none, is 403 with a cookie; with a token the origin doesn't matter."""
    cookie = f"datchat_session={alice.token}"
    assert (await opened(url, Cookie=cookie, Origin=url)).status == 101
    for origin in ("http://evil.example", "null", url.replace("http", "https", 1) + "1", f"{url}.evil.example"):
        assert (await opened(url, Cookie=cookie, Origin=origin)).status == 403
    assert (await opened(url, Cookie=cookie)).status == 403
    assert (await opened(url, alice.token, Origin="http://evil.example")).status == 101


# Joining


async def test_joined_brings_the_newest(here: RawSocket, url: str, opened: Opened, bob: SignIn, den: str) -> None:
    """The newest ``limit`` entries (50 by default), their cursor, and who is present."""
    for number in range(60):
        await here.ask("post", room=den, nonce=f"n{number}", text=f"message {number}")
    socket = await opened(url, bob.token)
    joined = await socket.ask("join", room=den)
    assert [entry["offset"] for entry in joined["entries"]] == list(range(11, 61))
    assert joined["cursor"] == f"60:{joined['entries'][-1]['chain']}"
    assert (joined["more"], joined["reset"], joined["count"]) == (False, False, 2)
    assert {member["name"] for member in joined["members"]} == {bob.user.name, joined["entries"][0]["author"]["name"]}
    joined = await socket.ask("join", room=den, limit=3)
    assert [entry["offset"] for entry in joined["entries"]] == [58, 59, 60]


async def test_the_entries_and_their_chain(here: RawSocket, there: RawSocket, den: str, alice: SignIn) -> None:
    """An ``entry`` push is as the protocol says, field by field, and its chain can be computed from what was sent."""
    await here.ask("post", room=den, nonce="n1", text="one")
    await here.ask("post", room=den, nonce="n2", text="two", reply_to=1)
    first, second = await there.until("entry"), await there.until("entry")
    assert list(first) == ["type", "room", "offset", "chain", "kind", "author", "at", "nonce", "via", "text"]
    assert (first["room"], first["offset"], first["kind"], first["text"]) == (den, 1, "message", "one")
    assert first["author"] == {"id": alice.user.id, "name": alice.user.name}
    assert (first["nonce"], first["via"], first["at"] > 1_700_000_000_000) == ("n1", "web0", True)
    assert (second["offset"], second["reply_to"]) == (2, 1)
    chain = GENESIS
    for entry in (first, second):
        body = {name: entry[name] for name in entry if name not in ("type", "room", "offset", "chain")}
        chain = extend(chain, json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode())
        assert entry["chain"] == chain


async def test_a_cursor_brings_everything_after_it(here: RawSocket, url: str, opened: Opened, den: str) -> None:
    """None missing, none twice; at the top nothing."""
    stored = [await here.ask("post", room=den, nonce=f"n{n}", text="hello") for n in range(5)]
    joined = await here.ask("join", room=den, cursor=stored[1]["cursor"], limit=1)
    assert [entry["offset"] for entry in joined["entries"]] == [3, 4, 5]
    joined = await here.ask("join", room=den, cursor=stored[4]["cursor"])
    assert (joined["entries"], joined["cursor"], joined["reset"]) == ([], stored[4]["cursor"], False)
    joined = await here.ask("join", room=den, cursor=f"0:{GENESIS}")
    assert len(joined["entries"]) == 5


async def test_past_500_there_is_more(here: RawSocket, url: str, opened: Opened, bob: SignIn, den: str) -> None:
    """500 a page with ``more``; joining again from each new cursor gives the rest, once and in order."""
    for number in range(1203):
        here.send("post", room=den, nonce=f"n{number}", text="hello", id=f"s{number}")
    await here.until(lambda push: push.get("id") == "s1202")
    socket = await opened(url, bob.token)
    offsets, cursor, pages = [], f"0:{GENESIS}", []
    while True:
        joined = await socket.ask("join", room=den, cursor=cursor)
        pages.append((len(joined["entries"]), joined["more"]))
        offsets += [entry["offset"] for entry in joined["entries"]]
        cursor = joined["cursor"]
        if not joined["more"]:
            break
    assert pages == [(500, True), (500, True), (203, False)]
    assert offsets == list(range(1, 1204))
    await here.ask("post", room=den, nonce="live", text="live")
    assert (await socket.until("entry"))["offset"] == 1204


async def test_who_does_not_ask_for_more_is_pushed_it(
    here: RawSocket, url: str, opened: Opened, bob: SignIn, den: str
) -> None:
    """After a while the rest comes by itself, and what is live behind it."""
    for number in range(600):
        here.send("post", room=den, nonce=f"n{number}", text="hello", id=f"s{number}")
    await here.until(lambda push: push.get("id") == "s599")
    socket = await opened(url, bob.token)
    joined = await socket.ask("join", room=den, cursor=f"0:{GENESIS}")
    assert joined["more"]
    await here.ask("post", room=den, nonce="live", text="live")
    await socket.until(lambda push: push["type"] == "entry" and push["offset"] == 601)
    assert [push["offset"] for push in socket.of("entry")] == list(range(501, 602))


@pytest.mark.parametrize("cursor", ["2:ffffffffffffffff", "3000:ffffffffffffffff", "0:ffffffffffffffff"])
async def test_a_cursor_of_another_history_is_a_reset(here: RawSocket, den: str, cursor: str) -> None:
    """Diverged, beyond the top, or no start at all: the newest ``limit`` entries, to start over with."""
    for number in range(4):
        await here.ask("post", room=den, nonce=f"n{number}", text="hello")
    joined = await here.ask("join", room=den, cursor=cursor, limit=2)
    assert joined["reset"] is True
    assert [entry["offset"] for entry in joined["entries"]] == [3, 4]
    await here.ask("post", room=den, nonce="after", text="hello")
    await here.seen(lambda push: push["type"] == "entry" and push["offset"] == 5)


async def test_joining_twice_pushes_once(here: RawSocket, den: str) -> None:
    """A connection gets each entry exactly once, however often it joins."""
    await here.ask("join", room=den)
    await here.ask("join", room=den)
    for number in range(3):
        await here.ask("post", room=den, nonce=f"n{number}", text="hello")
    await here.pong()
    assert [push["offset"] for push in here.of("entry")] == [1, 2, 3]


async def test_leaving(here: RawSocket, there: RawSocket, den: str) -> None:
    """Answered with ``left``; then nothing of the room comes. Leaving a room that one is not in is no error."""
    left = await there.ask("leave", room=den)
    assert (left["type"], left["room"]) == ("left", den)
    await here.ask("post", room=den, nonce="n", text="hello")
    await there.pong()
    assert there.of("entry") == []
    assert (await there.ask("leave", room=den))["type"] == "left"


# Posting


async def test_stored(here: RawSocket, there: RawSocket, den: str) -> None:
    """The acknowledgement's fields; the author gets the entry too; a second time is a duplicate and no entry."""
    stored = await here.ask("post", room=den, nonce="n1", text="hello")
    entry = await there.until("entry")
    assert stored == {
        "type": "stored",
        "id": stored["id"],
        "room": den,
        "nonce": "n1",
        "offset": 1,
        "cursor": f"1:{entry['chain']}",
        "copies": 1,
        "duplicate": False,
    }
    again = await here.ask("post", room=den, nonce="n1", text="something else", age_ms=500)
    assert again == {**stored, "id": again["id"], "duplicate": True}
    await here.pong()
    await there.pong()
    assert len(here.of("entry")) == len(there.of("entry")) == 1


async def test_the_same_nonce_of_another_author_is_another(here: RawSocket, there: RawSocket, den: str) -> None:
    """Nonces are unique per author."""
    assert (await here.ask("post", room=den, nonce="n1", text="mine"))["offset"] == 1
    assert (await there.ask("post", room=den, nonce="n1", text="yours"))["offset"] == 2


async def test_posting_without_joining(here: RawSocket, url: str, opened: Opened, bob: SignIn, den: str) -> None:
    """Needs no ``join``; nothing of the room is pushed then."""
    socket = await opened(url, bob.token)
    assert (await socket.ask("post", room=den, nonce="n", text="hello"))["type"] == "stored"
    assert (await here.until("entry"))["nonce"] == "n"
    await socket.pong()
    assert socket.of("entry") == []


async def test_edit_delete_react(here: RawSocket, there: RawSocket, den: str) -> None:
    """Each is an entry of its own kind with its fields, for everybody."""
    await there.ask("post", room=den, nonce="n1", text="helo")
    await there.ask("edit", room=den, nonce="n2", target=1, text="hello")
    await here.ask("react", room=den, nonce="n3", target=1, emoji="👍", on=True)
    await here.ask("react", room=den, nonce="n4", target=1, emoji="👍", on=False)
    await there.ask("delete", room=den, nonce="n5", target=1)
    await here.seen(lambda push: push["type"] == "entry" and push["offset"] == 5)
    said = [{name: push.get(name) for name in ("kind", "target", "text", "emoji", "on")} for push in here.of("entry")]
    assert said == [
        {"kind": "message", "target": None, "text": "helo", "emoji": None, "on": None},
        {"kind": "edit", "target": 1, "text": "hello", "emoji": None, "on": None},
        {"kind": "reaction", "target": 1, "text": None, "emoji": "👍", "on": True},
        {"kind": "reaction", "target": 1, "text": None, "emoji": "👍", "on": False},
        {"kind": "deletion", "target": 1, "text": None, "emoji": None, "on": None},
    ]


async def test_a_moderator_deletes_what_others_wrote(here: RawSocket, there: RawSocket, den: str) -> None:
    """The room's creator may; others may delete their own only."""
    await here.ask("post", room=den, nonce="n1", text="alice's")
    await there.ask("post", room=den, nonce="n1", text="bob's")
    assert await there.refusal("delete", room=den, nonce="n2", target=1) == "forbidden"
    assert (await here.ask("delete", room=den, nonce="n2", target=2))["type"] == "stored"


@pytest.mark.parametrize("command_id", [7, 0, -1, 1.5, "a", "x" * 64])
async def test_ids_are_echoed(here: RawSocket, den: str, command_id: Any) -> None:
    """Numbers and strings, in answers of every kind."""
    for command in (
        {"type": "ping"},
        {"type": "join", "room": den},
        {"type": "post", "room": den, "nonce": "n", "text": "hello"},
        {"type": "post", "room": den, "nonce": "n2", "text": ""},
        {"type": "nonsense"},
        {"type": "leave", "room": den},
    ):
        here.frame(TEXT, json.dumps({**command, "id": command_id}).encode())
        answer = await here.until(lambda push: push["type"] in ("pong", "joined", "stored", "refused", "left"))
        assert answer["id"] == command_id, answer


async def test_without_an_id_the_answer_has_none(here: RawSocket) -> None:
    """``id`` is null then."""
    here.send("ping")
    assert (await here.until("pong"))["id"] is None


async def test_text_arrives_as_it_was_sent(here: RawSocket, den: str) -> None:
    """Every character, up to 4000 of them, also where each takes four bytes."""
    for number, text in enumerate(['\u0000\u001f"\\', "<script>alert(1)</script>", "\u2028 ü 漢 🧑‍🚀", "🧑" * 4000]):
        await here.ask("post", room=den, nonce=f"n{number}", text=text)
        await here.seen(lambda push, n=number: push["type"] == "entry" and push["nonce"] == f"n{n}")
        assert here.of("entry")[-1]["text"] == text
