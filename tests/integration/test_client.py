"""The client on a real server: the API, rooms, and a long talk over a line that is cut again and again."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from datchat.chat.model import START
from datchat.client import (
    Api,
    Client,
    Ended,
    Kind,
    News,
    Options,
    ReadNews,
    Refused,
    RoomEntry,
    RoomNews,
    SignIn,
    TypingNews,
    Unreachable,
)
from support.eventually import eventually
from support.people import PASSWORD, fresh, person
from support.process import ServerProcess
from support.serving import serving

QUICK = Options(backoff_s=0.01, backoff_cap_s=0.05)


async def test_accounts_and_sessions(url: str) -> None:
    """Sign up, sign in, who am I, sign out; what is refused carries its code."""
    name = fresh("carol")
    async with Api(url) as api:
        user = await api.sign_up(f"{name}@example.org", PASSWORD, name)
        assert user.name == name
        with pytest.raises(Refused, match="taken"):
            await api.sign_up(f"{name}@EXAMPLE.org", PASSWORD)
        with pytest.raises(Refused, match="wrong_credentials"):
            await api.sign_in(f"{name}@example.org", "not the password")
        first = await api.sign_in(f"{name}@example.org", PASSWORD)
        second = await api.sign_in(f"{name}@example.org", PASSWORD)
        assert await api.me(first.token) == user == second.user
        await api.sign_out(first.token)
        with pytest.raises(Refused, match="unauthenticated"):
            await api.me(first.token)
        assert await api.me(second.token) == user


async def test_rooms_and_pages(url: str, alice: SignIn, bob: SignIn) -> None:
    """Rooms are listed with what is unread; pages of the log and views read as the protocol says."""
    async with Api(url) as api, Client(url, alice.token) as chat:
        den = await api.create_room(alice.token, fresh("den"), "Den")
        assert (den.title, den.private, den.created_by) == ("Den", False, alice.user.id)
        with pytest.raises(Refused, match="taken"):
            await api.create_room(bob.token, den.id, "Another")
        room = await chat.join(den.id)
        for number in range(5):
            await room.post(f"message {number}")
        await room.edit(2, "edited")
        await room.react(2, "👍")
        await room.delete(3)
        page = await api.entries(bob.token, den.id, after=START, limit=6)
        assert [(entry.offset, entry.kind) for entry in page.read()][-1] == (6, Kind.EDIT)
        assert page.more
        rest = await api.entries(bob.token, den.id, after=page.cursor)
        assert ([entry.offset for entry in rest.read()], rest.more, rest.reset) == ([7, 8], False, False)
        assert [entry.offset for entry in (await api.entries(bob.token, den.id, before=3)).read()] == [1, 2]
        view = await api.messages(alice.token, den.id)
        assert [(m.offset, m.text, m.deleted) for m in view.messages][1:3] == [(2, "edited", False), (3, "", True)]
        assert [(r.emoji, r.count, r.mine) for r in view.messages[1].reactions] == [("👍", 1, True)]
        assert len((await api.messages(alice.token, den.id, before=3)).messages) == 2
        [standing] = [each for each in await api.rooms(bob.token) if each.id == den.id]
        assert standing.cursor == view.cursor


async def test_nobody_there() -> None:
    """A server that isn't there is said to be unreachable, with its address."""
    async with Api("http://127.0.0.1:1") as api:
        with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1/"):
            await api.sign_in("a@example.org", "x")


async def test_two_people_talk(url: str, alice: SignIn, bob: SignIn) -> None:
    """Both see the same, in the same order, and hear of each other's typing, reading and rooms."""
    news: list[News] = []
    den = fresh("den")
    async with (
        Api(url) as api,
        Client(url, alice.token, news=news.append) as hers,
        Client(url, bob.token) as his,
        Client(url, alice.token) as her_phone,
    ):
        await api.create_room(bob.token, den, "Den")
        await eventually(lambda: [each.change for each in news if isinstance(each, RoomNews)] == ["created"])
        a, b = await hers.join(den), await his.join(den)
        await asyncio.gather(*[a.post(f"a{n}") for n in range(20)], *[b.post(f"b{n}") for n in range(20)])
        seen = [[await anext(room) for _ in range(40)] for room in (a, b)]
        assert [each.cursor for each in seen[0]] == [each.cursor for each in seen[1]]
        b.typing()
        await eventually(lambda: [each.user.id for each in news if isinstance(each, TypingNews)] == [bob.user.id])
        phone = await her_phone.join(den)
        phone.read(40)
        await eventually(lambda: [each.offset for each in news if isinstance(each, ReadNews)] == [40])
        assert phone.count == 2
        await eventually(lambda: {user.id for user in a.members} == {alice.user.id, bob.user.id})


async def test_a_session_that_ends_ends_the_client(url: str, alice: SignIn) -> None:
    """Signing out elsewhere: 4500, and no reconnect; another try is refused at the door."""
    async with Api(url) as api, Client(url, alice.token) as chat:
        room = await chat.join("lobby", limit=1)
        await api.sign_out(alice.token)
        with pytest.raises(Ended) as caught:
            async for _ in room:
                pass
        assert caught.value.code == 4500
    with pytest.raises(Ended) as caught:
        async with Client(url, alice.token):
            raise AssertionError("it must not come this far")
    assert caught.value.code == 401


async def test_rate_limits_are_waited_out(tmp_path: Path) -> None:
    """More than the account may post at once: all of it is stored in the end, each once."""
    with ServerProcess("--data", tmp_path, DATCHAT_POST_RATE="50") as server:
        carol = await person(server.url, "carol")
        async with Client(server.url, carol.token, options=QUICK) as chat:
            room = await chat.join("lobby")
            stored = await asyncio.gather(*[room.submit(f"{number}") for number in range(540)])
        assert sorted(each.offset for each in stored) == list(range(1, 541))


async def test_a_line_that_is_cut_again_and_again() -> None:
    """Writers and readers over connections that break at random moments: a gapless, equal view for all."""
    rng = random.Random(4)
    async with serving() as served:
        who = [await person(served.url, name) for name in ("ann", "bea", "cid")]
        clients = [Client(served.url, each.token, options=QUICK) for each in who]
        async with clients[0], clients[1], clients[2]:
            rooms = [await each.join("lobby") for each in clients]
            posting = [room.submit(f"{room} {number}") for number in range(200) for room in rooms]
            while not all(each.done() for each in posting):
                socket = rng.choice(clients)._link._socket
                if socket is not None:
                    socket.abort("cut by the test")
                await asyncio.sleep(rng.uniform(0, 0.02))
            views = []
            for room in rooms:
                events = [await anext(room) for _ in range(600)]
                assert all(isinstance(event, RoomEntry) for event in events)
                views.append([event.cursor for event in events])
            assert [cursor.offset for cursor in views[0]] == list(range(1, 601))
            assert views[0] == views[1] == views[2]
        assert sum(each.reconnects for each in clients) > 3
