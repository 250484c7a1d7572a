"""How works become a batch of commands, and its answers theirs."""

from __future__ import annotations

from collections import deque
from typing import Any

import hiredis
import pytest

from datchat.backends.redis import batch as batches
from datchat.backends.redis import keys
from datchat.backends.redis.batch import Act, Append, Work, take
from datchat.backends.redis.faults import ReplyFault
from datchat.backends.redis.link import Command
from datchat.chat import wire
from datchat.chat.model import LOBBY, Cursor, Receipt, RoomId, User
from datchat.errors import Forbidden, Indeterminate, NoSuchRoom, Taken, Unavailable
from support.drafts import BOB, deletion, edit, message

GARDEN = RoomId("garden")
CHAIN = b"0123456789abcdef"


class FakeLink:
    """Takes what is published."""

    def __init__(self) -> None:
        self.published: list[Command] = []

    def forget(self, commands: list[Command]) -> None:
        self.published += commands


def post(room: RoomId = LOBBY, text: str = "hello") -> Append:
    return Append(0.0, message(text, room=room), "attempt", 1000)


def act(*, writes: bool = True, read: Any = lambda replies: replies) -> Act:
    return Act(0.0, [("GET", "x")], read, writes=writes)


def commands(batch: batches.Batch) -> list[list[bytes]]:
    """What a batch sends; a command looks like an answer that is an array."""
    reader = hiredis.Reader()
    reader.feed(batch.data)
    return [reader.gets() for _ in range(batch.count)]


def stored(offset: int, duplicate: int = 0) -> list[Any]:
    return [1, str(offset).encode(), CHAIN, duplicate]


def settle(works: list[Work], replies: list[Any]) -> list[Command]:
    """Carry out works with these answers; returns what was published."""
    waiting = deque(works)
    _, batch = take(waiting)
    assert not waiting
    link = FakeLink()
    batch.settle(replies, 3, link)  # type: ignore[arg-type]
    return link.published


async def test_posts_of_a_room_are_one_call_in_their_order() -> None:
    """However the rooms are mixed, each has one call with all its posts."""
    posts = [post(LOBBY, "1"), post(GARDEN, "2"), post(LOBBY, "3")]
    works, batch = take(deque[Work](posts))
    assert works == posts
    assert batch.count == 2
    first, second = commands(batch)
    assert (first[3], second[3]) == (keys.room(LOBBY).encode(), keys.room(GARDEN).encode())
    assert first.index(posts[0].body) < first.index(posts[2].body)
    assert posts[1].body in second


async def test_acts_keep_their_place_between_posts() -> None:
    """What was begun after a post comes after it."""
    _, batch = take(deque[Work]([post(), act(), post(GARDEN)]))
    assert [command[0] for command in commands(batch)] == [b"EVALSHA", b"GET", b"EVALSHA"]


async def test_a_room_has_one_call_a_batch() -> None:
    """A second call might be taken where the first was refused: the post after an act waits for the next batch."""
    waiting = deque[Work]([post(), act(), post(), post(GARDEN)])
    works, _ = take(waiting)
    assert len(works) == 2
    assert len(waiting) == 2


async def test_a_batch_has_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many posts, acts and bytes; what is beyond waits, and one post always goes."""
    waiting = deque[Work](post() for _ in range(batches.MAX_POSTS + 1))
    assert len(take(waiting)[0]) == batches.MAX_POSTS
    waiting = deque[Work](act() for _ in range(batches.MAX_ACTS + 1))
    assert len(take(waiting)[0]) == batches.MAX_ACTS
    assert len(take(deque[Work](post() for _ in range(9)), most=4)[0]) == 4
    monkeypatch.setattr(batches, "MAX_BYTES", 10)
    waiting = deque[Work]([post(), post()])
    assert len(take(waiting)[0]) == 1


async def test_what_cannot_be_written_down_fails_alone() -> None:
    """A work that can't be sent must not get into a batch, which could never be sent with it."""
    for build in (
        lambda: Append(0.0, message(author=User("u_\ud800", "x")), "attempt", 1000),
        lambda: Act(0.0, [("GET", "\ud800")], lambda replies: replies, writes=False),
    ):
        with pytest.raises(UnicodeEncodeError):
            build()


async def test_who_has_gone_is_left_out() -> None:
    """A post that nobody waits for any more and that was not sent is not stored."""
    gone, stays = post(), post()
    gone.waiter.cancel()
    assert take(deque[Work]([gone, stays]))[0] == [stays]


async def test_answers_go_to_whom_they_belong() -> None:
    """Receipts, refusals in the rules' own words, and answers of acts."""
    own, missing, strange = post(), post(GARDEN), Append(0.0, edit(1, author=BOB), "attempt", 1000)
    asked = act(read=lambda replies: replies[0])
    settle([own, missing, strange, asked], [[stored(7), [0, 0, 1, b"u_alice", 0]], [[0]], b"value"])
    assert await own.waiter == Receipt(Cursor(7, CHAIN.decode()), copies=3, duplicate=False)
    with pytest.raises(NoSuchRoom):
        await missing.waiter
    with pytest.raises(Forbidden, match="only the author edits"):
        await strange.waiter
    assert await asked.waiter == b"value"


async def test_what_is_new_is_told_and_nothing_else() -> None:
    """Entries of a room are told in one message; repeats and refusals not at all."""
    first, again, refused, last = post(text="1"), post(text="2"), Append(0.0, deletion(1), "a", 1), post(text="3")
    reply = [stored(1), stored(1, duplicate=1), [0, 0, 0, b"", 0], stored(2)]
    published = settle([first, again, refused, last], [reply])
    ((verb, channel, payload),) = published
    assert (verb, channel) == ("PUBLISH", keys.channel(LOBBY))
    assert isinstance(payload, bytes)
    entries = [wire.parse_entry(line) for line in payload.split(b"\n")]
    assert [(entry.offset, entry.body) for entry in entries] == [(1, first.body), (2, last.body)]
    assert refused.waiter.exception() is not None


@pytest.mark.parametrize(
    ("text", "kind"),
    [("OOM command not allowed", Unavailable), ("ERR Error running script: nil", Indeterminate)],
)
async def test_an_error_is_that_of_its_own_works(text: str, kind: type[Exception]) -> None:
    """What one script ran into is told to those whose script it was."""
    failed, fine, looked = post(), post(GARDEN), act(writes=False)
    settle([failed, fine, looked], [ReplyFault(text), [stored(1)], ReplyFault(text)])
    with pytest.raises(kind):
        await failed.waiter
    assert (await fine.waiter).cursor.offset == 1
    with pytest.raises(Unavailable):
        await looked.waiter


async def test_what_reading_an_answer_raises_is_the_answer() -> None:
    """An act may find that its answer is a refusal."""

    def read(replies: list[Any]) -> None:
        raise Taken("taken")

    asked = act(read=read)
    settle([asked], [b"x"])
    with pytest.raises(Taken):
        await asked.waiter


async def test_the_store_and_the_rules_have_to_agree() -> None:
    """A refusal that the rules don't know is no receipt."""
    odd = post()
    settle([odd], [[[0, 0, 0, b"", 0]]])
    with pytest.raises(Indeterminate):
        await odd.waiter
