"""The Broker port: the log, sentence by sentence. The feed and the views have files of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.conftest import Store
from datchat.chat import chain, wire
from datchat.chat.model import LOBBY, START, Cursor, Kind, Receipt, Room, RoomId
from datchat.errors import ClientError, CursorLost, Forbidden, NoSuchEntry, NoSuchRoom, Unavailable
from datchat.ports import Backend, Broker, Rooms
from support.drafts import ALICE, BOB, deletion, draft, edit, message, reaction

NOWHERE = RoomId("nowhere")
ELSEWHERE = RoomId("elsewhere")


async def fill(broker: Broker, count: int, room: RoomId = LOBBY) -> list[Receipt]:
    return [await broker.append(message(f"message {number}", room=room)) for number in range(1, count + 1)]


# Appending


async def test_offsets_count_from_one_in_each_room(broker: Broker, rooms: Rooms) -> None:
    """Offsets are 1, 2, 3… and each room counts for itself."""
    await rooms.create(Room(id=ELSEWHERE, title="Elsewhere"))
    assert [receipt.cursor.offset for receipt in await fill(broker, 3)] == [1, 2, 3]
    assert [receipt.cursor.offset for receipt in await fill(broker, 2, ELSEWHERE)] == [1, 2]


async def test_a_receipt_says_where_and_how_safe(broker: Broker) -> None:
    """A receipt holds the entry's own cursor, the servers that hold it, and that it is new."""
    receipt = await broker.append(message())
    assert (await broker.read(LOBBY, START, 10)).entries[0].cursor == receipt.cursor
    assert receipt.copies >= 1
    assert receipt.duplicate is False


async def test_an_acknowledged_entry_can_be_read(broker: Broker) -> None:
    """What was acknowledged before a read began is in it, with all that the draft said."""
    sent = draft(Kind.MESSAGE, text="Grüße \U0001f600 \x00\x7f\u2028 \"'\\", author=BOB)
    await broker.append(sent)
    (entry,) = (await broker.read(LOBBY, START, 10)).entries
    assert entry.body == wire.stored_bytes(sent)
    assert wire.content(entry).text == sent.text
    assert wire.content(entry).author == BOB


async def test_the_chain_runs_over_the_stored_bytes(broker: Broker) -> None:
    """Each chain follows from the one before and the entry's bytes."""
    await fill(broker, 20)
    entries = (await broker.read(LOBBY, START, 100)).entries
    assert len(entries) == 20
    assert list(chain.faults(entries)) == []


async def test_appends_begun_in_an_order_are_stored_in_that_order(broker: Broker) -> None:
    """A caller need not wait for one append to have the next one behind it."""
    tasks = [asyncio.ensure_future(broker.append(message(str(number)))) for number in range(500)]
    receipts = await asyncio.gather(*tasks)
    assert [receipt.cursor.offset for receipt in receipts] == list(range(1, 501))
    entries = (await broker.read(LOBBY, START, 500)).entries
    assert [wire.content(entry).text for entry in entries] == [str(number) for number in range(500)]


async def test_many_callers_share_one_order_without_holes(broker: Broker) -> None:
    """Concurrent callers each keep their order, and together fill the offsets."""

    async def talk(name: str) -> list[int]:
        return [(await broker.append(message(f"{name} {n}"))).cursor.offset for n in range(25)]

    offsets = await asyncio.gather(*(talk(f"caller {number}") for number in range(20)))
    assert all(own == sorted(own) for own in offsets)
    assert sorted(offset for own in offsets for offset in own) == list(range(1, 501))
    assert list(chain.faults((await broker.read(LOBBY, START, 500)).entries)) == []


async def test_a_room_that_is_not_there_takes_nothing(broker: Broker) -> None:
    """Appending to an unknown room is refused."""
    with pytest.raises(NoSuchRoom):
        await broker.append(message(room=NOWHERE))


async def test_an_archived_room_takes_nothing_until_it_is_opened_again(broker: Broker, rooms: Rooms) -> None:
    """Archiving closes the log for appends, not for readers, and can be undone."""
    await broker.append(message())
    lobby = await rooms.get(LOBBY)
    await rooms.update(Room(id=LOBBY, title=lobby.title, archived=True))
    with pytest.raises(NoSuchRoom):
        await broker.append(message())
    assert len((await broker.read(LOBBY, START, 10)).entries) == 1
    await rooms.update(Room(id=LOBBY, title=lobby.title, archived=False))
    assert (await broker.append(message())).cursor.offset == 2


async def test_a_closed_store_takes_and_checks_nothing(backend: Backend) -> None:
    """After ``close`` an append surely does nothing, and the store vouches for nothing."""
    await backend.close()
    with pytest.raises(Unavailable):
        await backend.broker.append(message())
    with pytest.raises(Unavailable):
        await backend.broker.check()


async def test_closing_twice_is_no_error(backend: Backend) -> None:
    """A store that is closed stays so."""
    await backend.close()
    await backend.close()


async def test_closing_finishes_what_is_under_way(backend: Backend) -> None:
    """Appends that were begun before ``close`` get their receipts."""
    tasks = [asyncio.ensure_future(backend.broker.append(message())) for _ in range(50)]
    await asyncio.sleep(0)
    await backend.close()
    assert [receipt.cursor.offset for receipt in await asyncio.gather(*tasks)] == list(range(1, 51))


# Once


async def test_a_known_nonce_stores_nothing(broker: Broker) -> None:
    """The same room, author and nonce get the first receipt again, whatever else the draft says."""
    first = await broker.append(message("one", nonce="same"))
    await broker.append(message("between"))
    again = await broker.append(message("another text", nonce="same", reply_to=77))
    assert again == Receipt(first.cursor, copies=first.copies, duplicate=True)
    assert (await broker.top(LOBBY)).offset == 2


async def test_a_nonce_is_its_authors_and_its_rooms(broker: Broker, rooms: Rooms) -> None:
    """Another author, or another room, may use the same nonce."""
    await rooms.create(Room(id=ELSEWHERE, title="Elsewhere"))
    receipts = [
        await broker.append(message(nonce="same", author=ALICE)),
        await broker.append(message(nonce="same", author=BOB)),
        await broker.append(message(nonce="same", author=ALICE, room=ELSEWHERE)),
    ]
    assert [receipt.duplicate for receipt in receipts] == [False, False, False]


async def test_concurrent_appends_of_one_nonce_are_one_entry(broker: Broker) -> None:
    """Of appends with one nonce that run at the same time the first is stored and the others are told where."""
    receipts = await asyncio.gather(*(broker.append(message(f"try {n}", nonce="same")) for n in range(50)))
    assert {receipt.cursor for receipt in receipts} == {await broker.top(LOBBY)}
    assert sorted(receipt.duplicate for receipt in receipts) == [False] + [True] * 49
    assert len((await broker.read(LOBBY, START, 10)).entries) == 1


async def test_a_refused_draft_leaves_its_nonce_free(broker: Broker) -> None:
    """A nonce counts from the entry, not from the attempt."""
    with pytest.raises(NoSuchEntry):
        await broker.append(message(nonce="same", reply_to=5))
    assert (await broker.append(message(nonce="same"))).duplicate is False


async def test_a_known_nonce_is_answered_before_the_rules_are_asked(broker: Broker, rooms: Rooms) -> None:
    """A retry of what was stored is told so, also when the same draft would be refused by now."""
    await broker.append(message())
    first = await broker.append(edit(1, nonce="an-edit"))
    await broker.append(deletion(1))
    assert (await broker.append(edit(1, nonce="an-edit"))).cursor == first.cursor
    await rooms.update(Room(id=LOBBY, title="Lobby", archived=True))
    assert (await broker.append(edit(1, nonce="an-edit"))).duplicate is True


async def test_a_nonce_is_remembered_through_the_window(store: Store, broker: Broker) -> None:
    """Up to the end of the window a retry is found, however much is appended meanwhile."""
    await broker.append(message(nonce="same"))
    for _ in range(9):
        await store.pass_time(store.nonce_window_s / 10)
        await broker.append(message())
    await store.pass_time(store.nonce_window_s / 10 - 1)
    assert (await broker.append(message(nonce="same"))).duplicate is True


async def test_a_nonce_is_forgotten_some_time_after_the_window(store: Store, broker: Broker) -> None:
    """What is remembered does not grow for ever."""
    await broker.append(message(nonce="same"))
    await broker.append(message())
    await store.pass_time(store.forgets_after_s)
    await broker.append(message())
    await store.pass_time(store.forgets_after_s)
    await broker.append(message())
    assert (await broker.append(message(nonce="same"))).duplicate is False


# The rules


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: message(reply_to=99),
        lambda: message(reply_to=2),
        lambda: message(reply_to=0),
        lambda: edit(99),
        lambda: edit(2),
        lambda: deletion(99, moderator=True),
        lambda: deletion(2),
        lambda: reaction(99),
        lambda: reaction(2),
        lambda: draft(Kind.EDIT, text="of nothing"),
    ],
)
async def test_what_is_named_has_to_be_a_message(broker: Broker, wrong: Callable[[], draft]) -> None:
    """A target or ``reply_to`` that is beyond the log, no message, or missing is refused, and nothing is stored."""
    await broker.append(message())
    await broker.append(reaction(1))
    with pytest.raises(NoSuchEntry):
        await broker.append(wrong())
    assert (await broker.top(LOBBY)).offset == 2


@pytest.mark.parametrize(
    "late",
    [
        lambda: message(reply_to=1),
        lambda: edit(1),
        lambda: deletion(1),
        lambda: deletion(1, author=BOB, moderator=True),
        lambda: reaction(1),
    ],
)
async def test_a_deleted_message_takes_nothing_more(broker: Broker, late: Callable[[], draft]) -> None:
    """Nothing names a deleted message, not even in the same moment as its deletion."""
    await broker.append(message())
    deleted, refused = await asyncio.gather(broker.append(deletion(1)), broker.append(late()), return_exceptions=True)
    assert isinstance(deleted, Receipt)
    assert isinstance(refused, NoSuchEntry)
    with pytest.raises(NoSuchEntry):
        await broker.append(late())


async def test_a_message_of_another_room_is_none(broker: Broker, rooms: Rooms) -> None:
    """Targets are looked for in the draft's own room."""
    await rooms.create(Room(id=ELSEWHERE, title="Elsewhere"))
    await broker.append(message())
    with pytest.raises(NoSuchEntry):
        await broker.append(reaction(1, room=ELSEWHERE))


async def test_only_the_author_edits(broker: Broker) -> None:
    """Not even a moderator edits what somebody else wrote."""
    await broker.append(message(author=ALICE))
    with pytest.raises(Forbidden):
        await broker.append(draft(Kind.EDIT, author=BOB, target=1, text="not mine", moderator=True))
    assert (await broker.append(edit(1, author=ALICE))).cursor.offset == 2


async def test_the_author_and_moderators_delete(broker: Broker) -> None:
    """One deletes one's own message; somebody else's only as a moderator."""
    await fill(broker, 2)
    with pytest.raises(Forbidden):
        await broker.append(deletion(1, author=BOB))
    await broker.append(deletion(1, author=BOB, moderator=True))
    await broker.append(deletion(2, author=ALICE))


async def test_everybody_reacts_and_replies(broker: Broker) -> None:
    """Reactions and replies to other people's messages are fine."""
    await broker.append(message(author=ALICE))
    await broker.append(reaction(1, author=BOB))
    assert (await broker.append(message(author=BOB, reply_to=1))).cursor.offset == 3


async def test_a_message_may_be_named_as_soon_as_it_was_begun(broker: Broker) -> None:
    """Drafts that wait together are judged one after the other."""
    outcomes = await asyncio.gather(broker.append(message()), broker.append(edit(1)), broker.append(reaction(1)))
    assert [receipt.cursor.offset for receipt in outcomes] == [1, 2, 3]


async def test_a_refused_draft_does_not_fail_its_neighbours(broker: Broker) -> None:
    """Drafts that wait together are each judged for themselves."""
    drafts = [message(), message(reply_to=99), message(room=NOWHERE), edit(1, author=BOB), message()]
    outcomes = await asyncio.gather(*map(broker.append, drafts), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Receipt, NoSuchEntry, NoSuchRoom, Forbidden, Receipt]
    assert (await broker.top(LOBBY)).offset == 2


async def test_a_draft_that_cannot_be_stored_fails_alone(broker: Broker) -> None:
    """Text that is no Unicode raises for its caller; its neighbours are stored."""
    drafts = [message("before"), message("\ud800"), message("after")]
    outcomes = await asyncio.gather(*map(broker.append, drafts), return_exceptions=True)
    assert [isinstance(outcome, Exception) for outcome in outcomes] == [False, True, False]
    assert [entry.offset for entry in (await broker.read(LOBBY, START, 10)).entries] == [1, 2]


# Reading


async def test_reading_goes_on_after_the_cursor(broker: Broker) -> None:
    """Pages follow each other without gap or double, and the last one says that it is."""
    await fill(broker, 10)
    cursor, pages = START, []
    while True:
        page = await broker.read(LOBBY, cursor, 4)
        pages.append(([entry.offset for entry in page.entries], page.more))
        cursor = page.cursor
        if not page.more:
            break
    assert pages == [([1, 2, 3, 4], True), ([5, 6, 7, 8], True), ([9, 10], False)]
    assert cursor == await broker.top(LOBBY)


async def test_reading_at_the_top_is_an_empty_page(broker: Broker) -> None:
    """A reader that has everything gets nothing, and stays where it is."""
    assert await broker.read(LOBBY, START, 10) == await broker.before(LOBBY, None, 10)
    (receipt,) = await fill(broker, 1)
    page = await broker.read(LOBBY, receipt.cursor, 10)
    assert (page.entries, page.cursor, page.more) == ([], receipt.cursor, False)


async def test_a_page_that_ends_at_the_top_has_no_more(broker: Broker) -> None:
    """``more`` means that there is an entry to come, not that the page is full."""
    await fill(broker, 4)
    assert (await broker.read(LOBBY, START, 4)).more is False
    assert (await broker.read(LOBBY, START, 3)).more is True


@pytest.mark.parametrize(
    "cursor",
    [
        Cursor(2, "0123456789abcdef"),
        Cursor(4, "0123456789abcdef"),
        Cursor(0, "0123456789abcdef"),
        Cursor(10**15, "0" * 16),
    ],
    ids=["another chain", "beyond the top", "another beginning", "far beyond"],
)
async def test_a_cursor_of_another_history_is_lost(broker: Broker, cursor: Cursor) -> None:
    """A log serves only cursors that it holds itself, at offset and chain."""
    await fill(broker, 3)
    with pytest.raises(CursorLost):
        await broker.read(LOBBY, cursor, 10)


async def test_the_top_is_where_the_next_entry_goes(broker: Broker) -> None:
    """The top of an empty log is ``START``, then the last entry's cursor."""
    assert await broker.top(LOBBY) == START
    receipts = await fill(broker, 3)
    assert await broker.top(LOBBY) == receipts[-1].cursor


async def test_older_pages_come_oldest_first(broker: Broker) -> None:
    """``before`` ends just below its offset; ``more`` means older ones."""
    receipts = await fill(broker, 10)
    seen = []
    for offset in (None, 7, 3, 1):
        page = await broker.before(LOBBY, offset, 4)
        seen.append(([entry.offset for entry in page.entries], page.more))
        assert page.cursor == (page.entries[-1].cursor if page.entries else START)
    assert seen == [([7, 8, 9, 10], True), ([3, 4, 5, 6], True), ([1, 2], False), ([], False)]
    assert (await broker.before(LOBBY, None, 10)).cursor == receipts[-1].cursor


async def test_beyond_the_top_means_the_newest(broker: Broker) -> None:
    """An offset that the log has not reached asks for the newest."""
    await fill(broker, 3)
    assert (await broker.before(LOBBY, 10**30, 2)) == await broker.before(LOBBY, None, 2)
    assert (await broker.view(LOBBY, 10**30, 2)) == await broker.view(LOBBY, None, 2)


async def test_a_whole_page_of_the_oldest_has_no_more(broker: Broker) -> None:
    """``more`` is false on the page that begins with the first entry."""
    await fill(broker, 4)
    assert (await broker.before(LOBBY, None, 4)).more is False
    assert (await broker.before(LOBBY, None, 3)).more is True


async def test_scanning_needs_no_cursor(broker: Broker) -> None:
    """``scan`` gives the same entries as ``read``, by offset alone."""
    await fill(broker, 5)
    entries = (await broker.read(LOBBY, START, 10)).entries
    assert list(await broker.scan(LOBBY, 0, 3)) == entries[:3]
    assert list(await broker.scan(LOBBY, 3, 3)) == entries[3:]
    assert list(await broker.scan(LOBBY, 5, 3)) == []


@pytest.mark.parametrize(
    "ask",
    [
        lambda broker: broker.read(NOWHERE, START, 10),
        lambda broker: broker.scan(NOWHERE, 0, 10),
        lambda broker: broker.before(NOWHERE, None, 10),
        lambda broker: broker.view(NOWHERE, None, 10),
        lambda broker: broker.top(NOWHERE),
    ],
    ids=["read", "scan", "before", "view", "top"],
)
async def test_a_room_that_is_not_there_has_no_log(broker: Broker, ask: Callable[[Broker], Awaitable[object]]) -> None:
    """Every way to read says that there is no such room."""
    with pytest.raises(NoSuchRoom):
        await ask(broker)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50), min_size=1, max_size=20)
)
async def test_whatever_is_written_comes_back(
    broker: Broker, new_room: Callable[[], Awaitable[RoomId]], texts: list[str]
) -> None:
    """Stored bytes are exactly those of the draft, whatever characters they hold."""
    room = await new_room()
    drafts = [message(text, room=room) for text in texts]
    await asyncio.gather(*map(broker.append, drafts))
    entries = (await broker.read(room, START, 100)).entries
    assert [entry.body for entry in entries] == [wire.stored_bytes(sent) for sent in drafts]
    assert list(chain.faults(entries)) == []


# How the store is


async def test_a_store_that_works_says_so(broker: Broker) -> None:
    """``state`` is ok, and ``check`` takes a write that leaves no trace in a log."""
    assert broker.state().state == "ok"
    assert broker.state().copies == (await broker.append(message())).copies
    top = await broker.top(LOBBY)
    await broker.check()
    assert await broker.top(LOBBY) == top


async def test_a_sound_store_has_nothing_to_report(backend: Backend) -> None:
    """``inspect`` finds nothing in a store that was only used."""
    await fill(backend.broker, 5)
    await backend.broker.append(deletion(1))
    assert list(await backend.inspect()) == []


async def test_a_refusal_is_the_callers_fault(broker: Broker) -> None:
    """What the rules refuse is never an error of the store."""
    with pytest.raises(ClientError):
        await broker.append(message(reply_to=1))
    await broker.check()
