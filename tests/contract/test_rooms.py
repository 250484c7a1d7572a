"""The Rooms port, sentence by sentence."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datchat.chat.model import LOBBY, START, Room, RoomId, RoomStanding
from datchat.errors import NoSuchRoom, Taken
from datchat.ports import Account, Accounts, Broker, Rooms
from support.drafts import ALICE, BOB, deletion, edit, message

NOWHERE = RoomId("nowhere")
DEN = RoomId("den")


def room(room_id: str = "garden", title: str = "Garden", *, private: bool = False, created_by: str = "u_alice") -> Room:
    return Room(id=RoomId(room_id), title=title, private=private, created_by=created_by, created_at=5)


async def standing(rooms: Rooms, room_id: RoomId, user_id: str = "u_alice") -> RoomStanding:
    """How one user finds one room."""
    (found,) = [found for found in await rooms.standings(user_id) if found.room.id == room_id]
    return found


async def unread(rooms: Rooms, room_id: RoomId = LOBBY, user_id: str = "u_alice") -> int:
    return (await standing(rooms, room_id, user_id)).unread


# Rooms


async def test_the_lobby_is_there_from_the_start(rooms: Rooms) -> None:
    """A new store has a lobby, which nobody created."""
    assert await rooms.all() == [Room(id=LOBBY, title="Lobby")]
    assert await rooms.get(LOBBY) == Room(id=LOBBY, title="Lobby")


async def test_a_room_is_kept_as_it_was_created(rooms: Rooms) -> None:
    """Every field comes back."""
    made = room(private=True)
    await rooms.create(made)
    assert await rooms.get(made.id) == made


async def test_an_id_is_taken_once(rooms: Rooms) -> None:
    """Creating a room that is there is refused and changes nothing, also at the same time."""
    outcomes = await asyncio.gather(
        *(rooms.create(room(title=f"Garden {n}")) for n in range(5)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), Taken, Taken, Taken, Taken]
    with pytest.raises(Taken):
        await rooms.create(room(LOBBY, "Another lobby"))
    assert (await rooms.get(RoomId("garden"))).title == "Garden 0"
    assert (await rooms.get(LOBBY)).title == "Lobby"


async def test_updating_replaces_title_and_archived_only(rooms: Rooms) -> None:
    """Who made it, when, and whether it is private stay."""
    made = room()
    await rooms.create(made)
    await rooms.update(Room(id=made.id, title="Park", archived=True, private=True, created_by="u_bob", created_at=9))
    assert await rooms.get(made.id) == Room(
        id=made.id, title="Park", archived=True, private=False, created_by="u_alice", created_at=5
    )


async def test_all_rooms_are_listed_oldest_first(rooms: Rooms) -> None:
    """Private and archived ones too."""
    for made in (room("z"), room("a", private=True), room("m")):
        await rooms.create(made)
    await rooms.update(Room(id=RoomId("m"), title="M", archived=True))
    assert [found.id for found in await rooms.all()] == [LOBBY, "z", "a", "m"]


@pytest.mark.parametrize(
    "ask",
    [
        lambda rooms: rooms.get(NOWHERE),
        lambda rooms: rooms.update(Room(id=NOWHERE, title="Nowhere")),
        lambda rooms: rooms.add_member(NOWHERE, "u_alice"),
        lambda rooms: rooms.remove_member(NOWHERE, "u_alice"),
        lambda rooms: rooms.members(NOWHERE, ["u_alice"]),
        lambda rooms: rooms.mark_read("u_alice", NOWHERE, 1),
    ],
    ids=["get", "update", "add_member", "remove_member", "members", "mark_read"],
)
async def test_a_room_that_is_not_there(rooms: Rooms, ask: Callable[[Rooms], Awaitable[object]]) -> None:
    """Every call that names an unknown room says so."""
    with pytest.raises(NoSuchRoom):
        await ask(rooms)


# Members


async def test_a_private_room_lets_its_members_in(rooms: Rooms) -> None:
    """Its creator is its first member; adding and removing twice is no error."""
    await rooms.create(room(DEN, private=True))
    both = ["u_alice", "u_bob"]
    assert await rooms.members(DEN, both) == {"u_alice"}
    for _ in range(2):
        await rooms.add_member(DEN, "u_bob")
        assert await rooms.members(DEN, both) == {"u_alice", "u_bob"}
    assert await rooms.members(DEN, ["u_bob", "u_nobody"]) == {"u_bob"}
    assert await rooms.members(DEN, []) == set()
    for _ in range(2):
        await rooms.remove_member(DEN, "u_bob")
        assert await rooms.members(DEN, both) == {"u_alice"}


async def test_a_public_room_has_no_members(rooms: Rooms) -> None:
    """Not even its creator."""
    await rooms.create(room("garden"))
    assert await rooms.members(RoomId("garden"), ["u_alice"]) == set()
    assert await rooms.members(LOBBY, ["u_alice"]) == set()


# Standings


async def test_standings_are_what_a_user_may_see(rooms: Rooms) -> None:
    """Public rooms, and the private ones that one belongs to: lobby first, then by title, however it is cased."""
    for made in (room("z", "alpha"), room("b", "Beta", private=True), room("a", "GAMMA"), room("c", "gamma")):
        await rooms.create(made)
    assert [s.room.id for s in await rooms.standings("u_alice")] == [LOBBY, "z", "b", "a", "c"]
    assert [s.room.id for s in await rooms.standings("u_bob")] == [LOBBY, "z", "a", "c"]
    await rooms.add_member(RoomId("b"), "u_bob")
    assert [s.room.id for s in await rooms.standings("u_bob")] == [LOBBY, "z", "b", "a", "c"]
    await rooms.remove_member(RoomId("b"), "u_bob")
    assert [s.room.id for s in await rooms.standings("u_bob")] == [LOBBY, "z", "a", "c"]


async def test_an_archived_room_is_still_seen(rooms: Rooms) -> None:
    """Archived rooms can be read, so they are listed, and marked as what they are."""
    await rooms.create(room("garden"))
    await rooms.update(Room(id=RoomId("garden"), title="Garden", archived=True))
    assert (await standing(rooms, RoomId("garden"))).room.archived


async def test_a_standing_says_where_room_and_user_are(rooms: Rooms, broker: Broker) -> None:
    """The log's top, the marker, and what others wrote after it."""
    assert await standing(rooms, LOBBY) == RoomStanding(
        room=Room(id=LOBBY, title="Lobby"), cursor=START, read=0, unread=0
    )
    for author in (BOB, ALICE, BOB, BOB):
        receipt = await broker.append(message(author=author))
    await rooms.mark_read("u_alice", LOBBY, 1)
    found = await standing(rooms, LOBBY)
    assert (found.cursor, found.read, found.unread) == (receipt.cursor, 1, 2)


async def test_unread_are_messages_of_others(rooms: Rooms, broker: Broker) -> None:
    """One's own messages don't count, nor do edits and deletions; a deleted message does."""
    await broker.append(message(author=ALICE))
    await broker.append(message(author=BOB))
    await broker.append(edit(2, author=BOB))
    assert await unread(rooms) == 1
    await broker.append(deletion(2, author=BOB))
    assert await unread(rooms) == 1
    assert await unread(rooms, user_id="u_bob") == 1


async def test_unread_stops_at_a_hundred(rooms: Rooms, broker: Broker) -> None:
    """100 means 100 or more."""
    await asyncio.gather(*(broker.append(message(author=BOB)) for _ in range(99)))
    assert await unread(rooms) == 99
    await asyncio.gather(*(broker.append(message(author=BOB)) for _ in range(2)))
    assert await unread(rooms) == 100
    await rooms.mark_read("u_alice", LOBBY, 2)
    assert await unread(rooms) == 99


# Markers


async def test_a_marker_goes_forward_only(rooms: Rooms, broker: Broker) -> None:
    """Never back and never past the top; the answer is where it stands."""
    for _ in range(5):
        await broker.append(message(author=BOB))
    assert await rooms.mark_read("u_alice", LOBBY, 3) == 3
    assert await rooms.mark_read("u_alice", LOBBY, 2) == 3
    assert await rooms.mark_read("u_alice", LOBBY, 99) == 5
    assert (await standing(rooms, LOBBY)).read == 5
    assert (await standing(rooms, LOBBY, "u_bob")).read == 0


async def test_a_marker_in_an_empty_room_stays_at_its_start(rooms: Rooms, broker: Broker) -> None:
    """Nothing can be read ahead."""
    assert await rooms.mark_read("u_alice", LOBBY, 7) == 0
    await broker.append(message(author=BOB))
    assert await unread(rooms) == 1


async def test_what_was_before_an_account_is_no_news_to_it(rooms: Rooms, broker: Broker, accounts: Accounts) -> None:
    """A new account begins at the top of the public rooms; what comes later, and later rooms, are unread."""
    await asyncio.gather(*(broker.append(message(author=BOB)) for _ in range(4)))
    account = Account(id="u_new", email="new@example.org", name="new", password_hash="", created_at=0)
    await accounts.create(account)
    found = await standing(rooms, LOBBY, "u_new")
    assert (found.read, found.unread) == (4, 0)
    await rooms.create(room("garden"))
    for place in (LOBBY, RoomId("garden")):
        await broker.append(message(author=BOB, room=place))
        assert await unread(rooms, place, "u_new") == 1


async def test_what_was_before_a_member_came_is_no_news(rooms: Rooms, broker: Broker) -> None:
    """A new member begins at the top of the private room; being added again moves nothing."""
    await rooms.create(room(DEN, private=True))
    await broker.append(message(room=DEN))
    await rooms.add_member(DEN, "u_bob")
    assert (await standing(rooms, DEN, "u_bob")).read == 1
    await broker.append(message(room=DEN))
    await rooms.add_member(DEN, "u_bob")
    found = await standing(rooms, DEN, "u_bob")
    assert (found.read, found.unread) == (1, 1)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(authors=st.lists(st.sampled_from([ALICE, BOB]), max_size=30), markers=st.lists(st.integers(0, 35), max_size=3))
async def test_unread_is_counted_right(
    rooms: Rooms,
    broker: Broker,
    new_room: Callable[[], Awaitable[RoomId]],
    authors: list[object],
    markers: list[int],
) -> None:
    """Whoever wrote what, in one batch or many, and wherever the marker stands."""
    place = await new_room()
    half = len(authors) // 2
    for part in (authors[:half], authors[half:]):
        await asyncio.gather(*(broker.append(message(author=author, room=place)) for author in part))  # type: ignore[arg-type]
    for marker in markers:
        await rooms.mark_read("u_alice", place, marker)
    read = min(max(markers, default=0), len(authors))
    found = await standing(rooms, place)
    assert (found.read, found.unread) == (read, authors[read:].count(BOB))
