"""The Broker port: what ``events`` yields, and when."""

from __future__ import annotations

import asyncio

import pytest

from contract.conftest import Store
from datchat.chat import chain
from datchat.chat.model import CONTROL, LOBBY, Canary, Interrupted, Notice, Room, RoomId, RosterChanged, Typing
from datchat.errors import NoSuchEntry
from datchat.ports import Backend, Broker, Rooms
from support.drafts import ALICE, BOB, edit, message
from support.eventually import eventually
from support.listening import listening

ELSEWHERE = RoomId("elsewhere")


async def test_entries_of_subscribed_rooms_come_in_order(broker: Broker) -> None:
    """Everything that is appended after ``subscribe`` returned is heard, in the order of the log."""
    async with listening(broker, LOBBY) as ear:
        await asyncio.gather(*(broker.append(message(str(n))) for n in range(300)))
        await eventually(lambda: len(ear.entries) == 300)
        assert list(chain.faults(ear.entries)) == []


async def test_an_entry_is_heard_as_it_is_stored(broker: Broker) -> None:
    """What the feed brings is what the log holds."""
    async with listening(broker, LOBBY) as ear:
        await broker.append(message())
        await broker.append(edit(1))
        await eventually(lambda: len(ear.entries) == 2)
        assert ear.entries == (await broker.before(LOBBY, None, 10)).entries


async def test_what_happens_before_anybody_listens_waits(broker: Broker) -> None:
    """From ``subscribe`` on nothing is missed, though ``events`` is asked later."""
    await broker.subscribe(LOBBY)
    await broker.append(message())
    async with listening(broker) as ear:
        await eventually(lambda: len(ear.entries) == 1)


async def test_other_topics_are_not_heard(broker: Broker, rooms: Rooms) -> None:
    """A topic that was not subscribed to stays silent."""
    await rooms.create(Room(id=ELSEWHERE, title="Elsewhere"))
    async with listening(broker, LOBBY) as ear:
        await broker.append(message(room=ELSEWHERE))
        await broker.signal(ELSEWHERE, RosterChanged())
        await broker.append(message())
        await eventually(lambda: ear.entries)
        assert [event.room for event in ear.entries] == [LOBBY]
        assert ear.notices == []


async def test_what_was_before_the_subscription_is_not_heard(broker: Broker) -> None:
    """The feed brings news; history is read from the log."""
    await broker.append(message("old"))
    async with listening(broker, LOBBY) as ear:
        await broker.append(message("new"))
        await eventually(lambda: ear.entries)
        assert [entry.offset for entry in ear.entries] == [2]


async def test_an_unsubscribed_topic_falls_silent(broker: Broker) -> None:
    """After ``unsubscribe`` nothing more of the topic comes; subscribing again brings it back."""
    async with listening(broker, LOBBY, CONTROL) as ear:
        await broker.unsubscribe(LOBBY)
        await broker.append(message())
        await broker.signal(CONTROL, Canary("web0", 1))
        await eventually(lambda: ear.notices)
        assert ear.entries == []
        await broker.subscribe(LOBBY)
        await broker.append(message())
        await eventually(lambda: ear.entries)
        assert [entry.offset for entry in ear.entries] == [2]


async def test_unsubscribing_from_an_unknown_topic_is_ignored(broker: Broker) -> None:
    """Nothing is said about topics that were never heard."""
    await broker.unsubscribe(ELSEWHERE)


async def test_subscribing_twice_is_hearing_once(broker: Broker) -> None:
    """A topic is subscribed to or not."""
    async with listening(broker, LOBBY, LOBBY) as ear:
        await broker.append(message("one"))
        await broker.append(message("two"))
        await eventually(lambda: len(ear.entries) >= 2)
        assert [entry.offset for entry in ear.entries] == [1, 2]


async def test_signals_come_to_whoever_is_subscribed(broker: Broker) -> None:
    """A signal is heard on its topic, as it was sent, and kept nowhere."""
    async with listening(broker, LOBBY, CONTROL) as ear:
        await broker.signal(LOBBY, Typing(ALICE))
        await broker.signal(CONTROL, Canary("web0", 7))
        await broker.signal(LOBBY, Typing(BOB))
        await eventually(lambda: len(ear.notices) == 3)
        assert ear.notices == [
            Notice(LOBBY, Typing(ALICE)),
            Notice(CONTROL, Canary("web0", 7)),
            Notice(LOBBY, Typing(BOB)),
        ]
    assert (await broker.top(LOBBY)).offset == 0


async def test_refused_and_repeated_drafts_are_not_told(broker: Broker) -> None:
    """Only what was stored is told, and once."""
    async with listening(broker, LOBBY) as ear:
        with pytest.raises(NoSuchEntry):
            await broker.append(message(reply_to=9))
        await broker.append(message(nonce="same"))
        await broker.append(message(nonce="same"))
        await broker.append(message("last"))
        await eventually(lambda: len(ear.entries) == 2)
        assert [entry.offset for entry in ear.entries] == [1, 2]


async def test_a_feed_that_is_not_taken_up_says_what_it_did(store: Store, broker: Broker) -> None:
    """It does not grow without bound and does not fall silent: it drops, says so, and goes on."""
    await broker.subscribe(LOBBY)
    # Some more than it holds: a feed may hear a moment later than others tell.
    for _ in range(store.holds_back + 100):
        await broker.signal(LOBBY, RosterChanged())
    async with listening(broker) as ear:
        await broker.append(message())
        await eventually(lambda: ear.entries)
        assert isinstance(ear.events[0], Interrupted)
        assert len(ear.interruptions) == 1
        assert len(ear.events) <= store.holds_back


async def test_a_second_consumer_begins_with_a_warning(broker: Broker) -> None:
    """Nobody knows how far the consumer before it came, so every room has to be read."""
    async with listening(broker, LOBBY) as ear:
        await broker.append(message())
        await eventually(lambda: ear.entries)
    async with listening(broker) as ear:
        await eventually(lambda: ear.events)
        assert isinstance(ear.events[0], Interrupted)
        await broker.append(message())
        await eventually(lambda: ear.entries)
        assert [entry.offset for entry in ear.entries] == [2]


async def test_the_feed_ends_with_the_store(backend: Backend) -> None:
    """``events`` yields what was still to tell, then ends; asked again it ends at once."""
    await backend.broker.subscribe(LOBBY)
    await backend.broker.append(message())
    await backend.close()
    heard = [event async for batch in backend.broker.events() for event in batch]
    assert len(heard) == 1
    async with asyncio.timeout(5):
        async for batch in backend.broker.events():
            assert all(isinstance(event, Interrupted) for event in batch)


async def test_a_waiting_consumer_is_let_go_by_close(backend: Backend) -> None:
    """A consumer that waits for news ends when the store is closed."""

    async def listen() -> None:
        async for _ in backend.broker.events():
            pass

    task = asyncio.ensure_future(listen())
    await asyncio.sleep(0)
    await backend.close()
    async with asyncio.timeout(5):
        await task
