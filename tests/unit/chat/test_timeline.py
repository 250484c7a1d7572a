"""Folding: the definition, entry by entry, and that a fold of the sum gives the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from datchat.chat import timeline
from datchat.chat.model import Content, Kind, Message, User
from datchat.chat.timeline import Sum

PEOPLE = [User("u_c", "carol"), User("u_a", "alice"), User("u_b", "bob")]
START = Content(kind=Kind.MESSAGE, author=PEOPLE[1], at=1, nonce="n", via="web0", text="hello", reply_to=3)
OFFSET = 10


def change(kind: Kind, *, author: User = PEOPLE[1], at: int = 2, **fields: object) -> Content:
    target = {"reply_to": OFFSET} if kind is Kind.MESSAGE else {"target": OFFSET}
    return Content(kind=kind, author=author, at=at, nonce="n", via="web0", **target, **fields)  # type: ignore[arg-type]


def after(*changes: Content, first: int = OFFSET + 1) -> Message:
    """The message after changes at consecutive offsets."""
    message = timeline.begin(OFFSET, START)
    for offset, content in enumerate(changes, first):
        message = timeline.apply(message, offset, content)
    return message


def test_a_message_begins_as_its_entry() -> None:
    """Everything the entry says, and its own offset as revision."""
    assert timeline.begin(OFFSET, START) == Message(
        offset=OFFSET, author=PEOPLE[1], at=1, via="web0", nonce="n", text="hello", reply_to=3, revision=OFFSET
    )


def test_an_entry_that_was_seen_changes_nothing() -> None:
    """Only an offset above the revision counts: views and live entries merge in any order."""
    message = after(change(Kind.EDIT, text="new"))
    assert timeline.apply(message, message.revision, change(Kind.EDIT, text="newer")) == message
    assert timeline.apply(message, 1, change(Kind.DELETION)) == message


def test_an_edit_replaces_the_text() -> None:
    """The last one counts, with its time."""
    message = after(change(Kind.EDIT, text="new", at=5), change(Kind.EDIT, text="newer", at=6))
    assert (message.text, message.edited_at, message.revision) == ("newer", 6, 12)


def test_a_deletion_is_final() -> None:
    """It takes text and reactions; later edits and reactions bring nothing back, but move the revision."""
    changes = [change(Kind.REACTION, emoji="👍", on=True), change(Kind.EDIT, text="new", at=5), change(Kind.DELETION)]
    message = after(*changes)
    assert (message.text, message.deleted, message.reactions, message.edited_at) == ("", True, {}, 5)
    later = after(*changes, change(Kind.EDIT, text="x", at=7), change(Kind.REACTION, emoji="👍", on=True))
    assert (later.text, later.deleted, later.reactions, later.edited_at, later.revision) == ("", True, {}, 5, 15)


def test_replies_are_counted_for_good() -> None:
    """Also of a deleted message."""
    message = after(change(Kind.MESSAGE), change(Kind.DELETION), change(Kind.MESSAGE))
    assert (message.replies, message.revision) == (2, 13)


def test_reactions_are_sorted_and_empty_ones_gone() -> None:
    """By emoji, then by user id, whatever came before what."""
    message = after(
        change(Kind.REACTION, emoji="👍", on=True, author=PEOPLE[0]),
        change(Kind.REACTION, emoji="❤", on=True, author=PEOPLE[2]),
        change(Kind.REACTION, emoji="👍", on=True, author=PEOPLE[1]),
        change(Kind.REACTION, emoji="🎉", on=True),
        change(Kind.REACTION, emoji="🎉", on=False),
    )
    assert list(message.reactions.items()) == [("❤", ("u_b",)), ("👍", ("u_a", "u_c"))]


edits = st.builds(lambda text, at: change(Kind.EDIT, text=text, at=at), st.text(max_size=5), st.integers(0, 99))
reactions = st.builds(
    lambda emoji, on, author: change(Kind.REACTION, emoji=emoji, on=on, author=author),
    st.sampled_from(["👍", "🎉", "❤", "a"]),
    st.booleans(),
    st.sampled_from(PEOPLE),
)
replies = st.builds(lambda author: change(Kind.MESSAGE, text="re", author=author), st.sampled_from(PEOPLE))


def summed(changes: list[tuple[int, Content]]) -> Sum:
    """What a backend keeps: the last edit, the reactions that are on, counts; the simplest way to say it."""
    on: dict[tuple[str, str], bool] = {}
    for _, content in changes:
        if content.kind is Kind.REACTION:
            on[content.emoji or "", content.author.id] = bool(content.on)
    return Sum(
        edit=next((content for _, content in reversed(changes) if content.kind is Kind.EDIT), None),
        deleted=any(content.kind is Kind.DELETION for _, content in changes),
        reactions=[reaction for reaction, is_on in on.items() if is_on],
        replies=sum(content.kind is Kind.MESSAGE for _, content in changes),
        revision=max((offset for offset, _ in changes), default=OFFSET),
    )


@given(
    changes=st.lists(st.one_of(edits, reactions, reactions, replies), max_size=30),
    gaps=st.lists(st.integers(1, 5), min_size=31, max_size=31),
    deleted=st.booleans(),
)
def test_folding_the_sum_is_applying_one_by_one(changes: list[Content], gaps: list[int], deleted: bool) -> None:
    """For every history that the rules allow (nothing follows a deletion), with any entries between."""
    if deleted:
        changes = [*changes, change(Kind.DELETION)]
    placed: list[tuple[int, Content]] = []
    message, offset = timeline.begin(OFFSET, START), OFFSET
    for content, gap in zip(changes, gaps, strict=False):
        offset += gap
        placed.append((offset, content))
        message = timeline.apply(message, offset, content)
    folded = timeline.fold(OFFSET, START, summed(placed))
    assert folded == message
    assert list(folded.reactions) == list(message.reactions), "the order of the reactions too"


@given(
    changes=st.lists(st.one_of(edits, reactions, replies, st.just(change(Kind.DELETION))), max_size=20),
    seen=st.integers(0, 20),
    back=st.integers(0, 20),
)
def test_a_view_and_later_entries_merge(changes: list[Content], seen: int, back: int) -> None:
    """A view as of some cursor, with entries from any earlier place on applied to it, is the view as of the end."""
    placed = [(OFFSET + 1 + number, content) for number, content in enumerate(changes)]
    view = timeline.begin(OFFSET, START)
    for offset, content in placed[:seen]:
        view = timeline.apply(view, offset, content)
    for offset, content in placed[max(0, min(seen, len(placed)) - back) :]:
        view = timeline.apply(view, offset, content)
    assert view == after(*changes)
