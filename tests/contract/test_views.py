"""The Broker port: views are the log folded, page by page."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datchat.chat.model import LOBBY, START, Draft, Kind, Message, RoomId, User
from datchat.errors import ClientError
from datchat.ports import Broker
from support.drafts import ALICE, BOB, CAROL, deletion, draft, edit, message, reaction
from support.folding import folded

PEOPLE = (ALICE, BOB, CAROL)


async def the_message(broker: Broker) -> Message:
    """The only message of the lobby."""
    (found,) = (await broker.view(LOBBY, None, 2)).messages
    return found


async def test_an_empty_log_is_an_empty_view(broker: Broker) -> None:
    """Nothing to show, at ``START``."""
    view = await broker.view(LOBBY, None, 10)
    assert (view.messages, view.cursor, view.more) == ([], START, False)


async def test_a_message_is_shown_as_it_was_written(broker: Broker) -> None:
    """A message that nothing names yet is its entry."""
    sent = message("hello", author=BOB)
    await broker.append(sent)
    assert await the_message(broker) == Message(
        offset=1, author=BOB, at=sent.at, via=sent.via, nonce=sent.nonce, text="hello", revision=1
    )


async def test_the_last_edit_counts(broker: Broker) -> None:
    """Text and ``edited_at`` are the last edit's."""
    await broker.append(message("one"))
    await broker.append(edit(1, "two"))
    last = edit(1, "three")
    await broker.append(last)
    shown = await the_message(broker)
    assert (shown.text, shown.edited_at, shown.revision) == ("three", last.at, 3)


async def test_a_deleted_message_keeps_its_place(broker: Broker) -> None:
    """It loses text and reactions, and keeps its replies."""
    await broker.append(message("one"))
    await broker.append(reaction(1))
    await broker.append(message("two", reply_to=1))
    await broker.append(deletion(1))
    first, second = (await broker.view(LOBBY, None, 10)).messages
    assert (first.deleted, first.text, first.reactions, first.replies, first.revision) == (True, "", {}, 1, 4)
    assert (second.text, second.reply_to, second.revision) == ("two", 1, 3)


async def test_reactions_are_on_or_off(broker: Broker) -> None:
    """A reaction that was taken back is gone; order tells nothing of detours."""
    await broker.append(message())
    for author, emoji, on in (
        (BOB, "👍", True),
        (ALICE, "👍", True),
        (BOB, "🎉", True),
        (BOB, "🎉", False),
        (ALICE, "❤", True),
        (ALICE, "❤", True),
        (BOB, "👀", False),
    ):
        await broker.append(reaction(1, emoji, on=on, author=author))
    shown = await the_message(broker)
    assert list(shown.reactions.items()) == [("❤", ("u_alice",)), ("👍", ("u_alice", "u_bob"))]
    assert shown.revision == 8


async def test_a_view_holds_messages_only(broker: Broker) -> None:
    """Pages count messages; edits and reactions between them take no place, but count in the cursor."""
    for number in range(1, 6):
        await broker.append(message(str(number)))
        await broker.append(reaction(2 * number - 1))
    pages = []
    for before in (None, 7, 3, 1):
        view = await broker.view(LOBBY, before, 2)
        pages.append(([shown.text for shown in view.messages], view.more))
        assert view.cursor == await broker.top(LOBBY)
    assert pages == [(["4", "5"], True), (["2", "3"], True), (["1"], False), ([], False)]


async def test_a_full_page_of_all_messages_has_no_more(broker: Broker) -> None:
    """``more`` is false on the page that begins with the first message."""
    for _ in range(3):
        await broker.append(message())
    assert (await broker.view(LOBBY, None, 3)).more is False
    assert (await broker.view(LOBBY, None, 2)).more is True


async def test_a_view_is_of_one_moment(broker: Broker) -> None:
    """While others write, the messages of a view are exactly those that its cursor covers."""
    done = asyncio.Event()

    async def write() -> None:
        for number in range(1, 200):
            await asyncio.gather(broker.append(message(str(number))), broker.append(edit(1, f"edit {number}")))
        done.set()

    await broker.append(message("0"))
    writing = asyncio.ensure_future(write())
    while not done.is_set():
        view = await broker.view(LOBBY, None, 500)
        assert max(shown.revision for shown in view.messages) == view.cursor.offset
        entries = (await broker.before(LOBBY, view.cursor.offset + 1, 1000)).entries
        assert view.messages == folded(entries)
        await asyncio.sleep(0)
    await writing


def drafts_of(choices: list[tuple[Kind, int, int, int, bool]], room: RoomId) -> list[Draft]:
    """Drafts that name earlier offsets, right ones and wrong ones."""
    made = []
    for (kind, person, back, emoji, flag), here in zip(choices, count(1), strict=False):
        author: User = PEOPLE[person]
        target = here - back
        if kind is Kind.MESSAGE:
            made.append(message(f"message {here}", room=room, author=author, reply_to=target if flag else None))
        elif kind is Kind.EDIT:
            made.append(edit(target, f"edit {here}", room=room, author=author))
        elif kind is Kind.DELETION:
            made.append(deletion(target, room=room, author=author, moderator=flag))
        else:
            made.append(reaction(target, "👍🎉❤"[emoji], on=flag, room=room, author=author))
    return made


kinds = st.sampled_from([Kind.MESSAGE, Kind.MESSAGE, Kind.EDIT, Kind.DELETION, *[Kind.REACTION] * 4])
choices = st.tuples(kinds, st.integers(0, 2), st.integers(1, 8), st.integers(0, 2), st.booleans())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(choices, max_size=60), together=st.integers(1, 20), limit=st.integers(1, 10))
async def test_every_page_is_a_plain_fold_of_the_whole_log(
    broker: Broker,
    new_room: Callable[[], Awaitable[RoomId]],
    history: list[tuple[Kind, int, int, int, bool]],
    together: int,
    limit: int,
) -> None:
    """Whatever was written, however it was batched: pages of views, put together, are the fold of all entries."""
    room = await new_room()
    drafts = drafts_of(history, room)
    for start in range(0, len(drafts), together):
        batch = drafts[start : start + together]
        outcomes = await asyncio.gather(*map(broker.append, batch), return_exceptions=True)
        assert all(not isinstance(o, BaseException) or isinstance(o, ClientError) for o in outcomes)
    entries = (await broker.read(room, START, 1000)).entries
    shown: list[Message] = []
    before: int | None = None
    while True:
        view = await broker.view(room, before, limit)
        shown = [*view.messages, *shown]
        if not view.more:
            break
        before = view.messages[0].offset
    assert shown == folded(entries)


async def test_reactions_of_many_users(broker: Broker) -> None:
    """Each user's reaction counts once, sorted by id."""
    await broker.append(message())
    users = [User(f"u_{number:03}", f"user {number}") for number in range(150)]
    await asyncio.gather(*(broker.append(reaction(1, author=user)) for user in reversed(users)))
    assert (await the_message(broker)).reactions == {"👍": tuple(user.id for user in users)}


async def test_a_draft_with_more_fields_than_its_kind_needs(broker: Broker) -> None:
    """A message with a ``target`` changes nothing: only its ``reply_to`` names."""
    await broker.append(message("one"))
    await broker.append(draft(Kind.MESSAGE, text="two", target=1))
    first, _ = (await broker.view(LOBBY, None, 10)).messages
    assert (first.replies, first.revision) == (0, 1)
