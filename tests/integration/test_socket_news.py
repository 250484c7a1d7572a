"""What a server tells in passing: typing, markers, rooms, rosters."""

from __future__ import annotations

from datchat.client import Api, SignIn
from support.people import fresh, person
from support.raw_socket import Opened, RawSocket

# What is told in passing


async def test_typing_reaches_the_others(here: RawSocket, there: RawSocket, den: str, alice: SignIn) -> None:
    """Not oneself; at most one a second."""
    for _ in range(5):
        here.send("typing", room=den)
    typing = await there.until("typing")
    assert typing == {"type": "typing", "room": den, "user": {"id": alice.user.id, "name": alice.user.name}}
    await here.ask("ping")
    await here.ask("post", room=den, nonce="n", text="hello")
    await there.until("entry")
    assert (len(there.of("typing")), here.of("typing")) == (1, [])


async def test_read_markers_reach_one_s_other_connections(
    url: str, opened: Opened, here: RawSocket, there: RawSocket, den: str, alice: SignIn
) -> None:
    """Whether or not they are in the room; not the connection that moved it, nor other people."""
    elsewhere = await opened(url, alice.token)
    for number in range(3):
        await here.ask("post", room=den, nonce=f"n{number}", text="hello")
    here.send("read", room=den, offset=2)
    assert await elsewhere.until("read") == {"type": "read", "room": den, "offset": 2}
    here.send("read", room=den, offset=1)
    here.send("read", room=den, offset=3)
    await elsewhere.until(lambda push: push["type"] == "read" and push["offset"] == 3)
    assert [push["offset"] for push in elsewhere.of("read")] == sorted(push["offset"] for push in elsewhere.of("read"))
    await here.ask("ping")
    await there.ask("ping")
    assert here.of("read") == there.of("read") == []
    async with Api(url) as api:
        assert [room.read for room in await api.rooms(alice.token) if room.id == den] == [3]


async def test_rooms_are_told_of(url: str, opened: Opened, here: RawSocket, there: RawSocket, alice: SignIn) -> None:
    """A new public room is told to everybody, a private one to whom it concerns."""
    async with Api(url) as api:
        public = await api.create_room(alice.token, fresh("public"), "Public")
        told = await there.until("room")
        assert (told["change"], told["room"]["id"], told["room"]["title"]) == ("created", public.id, "Public")
        private = await api.create_room(alice.token, fresh("private"), "Private", private=True)
        await here.until(lambda push: push["type"] == "room" and push["room"]["id"] == private.id)
    await there.ask("ping")
    assert [push["room"]["id"] for push in there.of("room")] == [public.id]


async def test_rosters_are_gathered(url: str, opened: Opened, here: RawSocket, den: str) -> None:
    """Ten people come at once and five leave: few pushes tell it, and they add up."""
    crowd = [await person(url, fresh("guest")) for _ in range(10)]
    sockets = [await opened(url, guest.token) for guest in crowd]
    for socket in sockets:
        await socket.ask("join", room=den)
    await here.until(lambda push: push["type"] == "roster" and push["count"] == 11)
    for socket in sockets[:5]:
        await socket.ask("leave", room=den)
    await here.until(lambda push: push["type"] == "roster" and push["count"] == 6)
    came = {user["id"] for push in here.of("roster") for user in push["joined"]}
    went = {user["id"] for push in here.of("roster") for user in push["left"]}
    assert {guest.user.id for guest in crowd} <= came
    assert went == {guest.user.id for guest in crowd[:5]}
    assert len(here.of("roster")) <= 6


async def test_a_socket_that_goes_is_told_of(url: str, opened: Opened, here: RawSocket, bob: SignIn, den: str) -> None:
    """Leaving without a word; a person with two connections leaves with the last."""
    first, second = await opened(url, bob.token), await opened(url, bob.token)
    await first.ask("join", room=den)
    await second.ask("join", room=den)
    await here.until(lambda push: push["type"] == "roster" and push["count"] == 2)
    await first.end()
    await second.ask("ping")
    assert (await here.ask("join", room=den))["count"] == 2
    await second.end()
    gone = await here.until(lambda push: push["type"] == "roster" and push["count"] == 1)
    assert [user["id"] for user in gone["left"]] == [bob.user.id]


async def test_a_crowd_gets_the_count_alone(url: str, opened: Opened, here: RawSocket, den: str) -> None:
    """With more than 100 present nobody is named in ``roster``, and 100 in ``joined``."""
    guests = [await person(url, fresh("guest")) for _ in range(101)]
    for guest in guests:
        await (await opened(url, guest.token)).ask("join", room=den)
    roster = await here.until(lambda push: push["type"] == "roster" and push["count"] == 102)
    assert roster == {"type": "roster", "room": den, "count": 102, "joined": [], "left": []}
    joined = await here.ask("join", room=den)
    assert (len(joined["members"]), joined["count"]) == (100, 102)
