"""The feed of a store that serves one process: what the contract can't see from outside."""

from __future__ import annotations

from datchat.backends.feed import Feed
from datchat.chat.model import Interrupted, Notice, RosterChanged


def notice(topic: str = "lobby") -> Notice:
    return Notice(topic, RosterChanged())


async def test_what_was_published_together_comes_together() -> None:
    """One batch for everything that waits, in its order, without what nobody asked for."""
    feed = Feed()
    feed.subscribe("a")
    feed.subscribe("b")
    feed.publish([notice("a"), notice("x"), notice("b")])
    feed.publish([notice("a")])
    feed.close()
    assert [batch async for batch in feed.events()] == [[notice("a"), notice("b"), notice("a")]]


async def test_an_overflow_leaves_a_word_and_goes_on() -> None:
    """At the capacity nothing is lost; beyond it all that waited is, and it says so once."""
    feed = Feed(capacity=3)
    feed.subscribe("lobby")
    feed.publish([notice()] * 3)
    events = feed.events()
    assert await anext(events) == [notice()] * 3
    feed.publish([notice()] * 4)
    feed.publish([notice()])
    interrupted, after = await anext(events)
    assert isinstance(interrupted, Interrupted)
    assert after == notice()
    await events.aclose()  # type: ignore[attr-defined]


async def test_a_closed_feed_takes_nothing() -> None:
    """What is published after the end is not heard by anybody."""
    feed = Feed()
    feed.subscribe("lobby")
    feed.close()
    feed.publish([notice()])
    assert [batch async for batch in feed.events()] == []
