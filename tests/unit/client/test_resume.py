"""The gap rule and the chain on the client's side."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datchat.chat.model import START, Cursor, Entry, RoomId
from datchat.client.errors import Diverged
from datchat.client.resume import Resume, Step
from support.scripted_server import Log

LOBBY = RoomId("lobby")


def log_of(count: int) -> Log:
    log = Log("lobby")
    for number in range(count):
        log.append(f"message {number}")
    return log


def forged(entry: Entry) -> Entry:
    """The same place with another content."""
    return msgspec.structs.replace(entry, body=entry.body.replace(b"message", b"massage"))


def test_the_next_is_taken_a_lower_dropped_a_higher_a_gap() -> None:
    """The three cases of the gap rule; only the next moves the cursor."""
    log = log_of(5)
    resume = Resume(LOBBY, START)
    assert resume.push(log.entries[0]) is Step.NEXT
    assert resume.push(log.entries[0]) is Step.REPEAT
    assert resume.push(log.entries[2]) is Step.GAP
    assert resume.cursor == log.entries[0].cursor
    assert resume.push(log.entries[1]) is Step.NEXT
    assert resume.push(log.entries[0]) is Step.REPEAT


def test_before_the_first_joined_everything_is_a_gap() -> None:
    """Without a cursor nothing can follow: the answer to join brings it."""
    assert Resume(LOBBY).push(log_of(1).entries[0]) is Step.GAP


def test_a_wrong_chain_is_found_in_a_push() -> None:
    """Content that the chain contradicts is no entry of this log."""
    log = log_of(2)
    resume = Resume(LOBBY, log.entries[0].cursor)
    with pytest.raises(Diverged, match="offset 2 has chain"):
        resume.push(forged(log.entries[1]))
    assert resume.cursor == log.entries[0].cursor


def test_another_entry_at_the_cursor_is_found() -> None:
    """A repeat of the cursor's own offset with another chain is another history."""
    log = log_of(1)
    resume = Resume(LOBBY, log.cursor)
    other = msgspec.structs.replace(log.entries[0], chain="f" * 16)
    with pytest.raises(Diverged, match="told again"):
        resume.push(other)


def test_joined_without_a_cursor_begins_there() -> None:
    """The newest entries are taken, and what comes has to follow the last of them."""
    log = log_of(10)
    resume = Resume(LOBBY)
    assert resume.joined(log.entries[7:], log.cursor, reset=False) == log.entries[7:]
    assert resume.cursor == log.cursor
    assert resume.push(log.append("next")) is Step.NEXT


def test_the_first_of_a_page_is_taken_at_its_word_unless_it_is_the_first_of_all() -> None:
    """What came before an unknown page is unknown; before offset 1 there is nothing."""
    log = log_of(3)
    assert Resume(LOBBY).joined([forged(log.entries[1]), log.entries[2]], log.cursor, False)
    with pytest.raises(Diverged):
        Resume(LOBBY).joined([forged(log.entries[0])], log.entries[0].cursor, False)


def test_joined_drops_what_came_by_push_meanwhile() -> None:
    """A page that was read before some pushes came repeats them."""
    log = log_of(6)
    resume = Resume(LOBBY, log.entries[1].cursor)
    assert resume.push(log.entries[2]) is Step.NEXT
    assert resume.joined(log.entries[2:5], log.entries[4].cursor, False) == log.entries[3:5]
    assert resume.joined(log.entries[2:3], log.entries[2].cursor, False) == []
    assert resume.cursor == log.entries[4].cursor


def test_reset_starts_over() -> None:
    """After a reset the entries are those of the answer, whatever was seen."""
    log = log_of(4)
    resume = Resume(LOBBY, Cursor(99, "a" * 16))
    assert resume.joined(log.entries[2:], log.cursor, reset=True) == log.entries[2:]
    assert resume.cursor == log.cursor


def test_reset_of_an_empty_room() -> None:
    """A log that has lost everything starts at the beginning."""
    resume = Resume(LOBBY, Cursor(99, "a" * 16))
    assert resume.joined([], START, reset=True) == []
    assert resume.cursor == START


def test_holes_in_joined_are_found() -> None:
    """Entries left out, at the front, in the middle or at the end, are never passed over."""
    log = log_of(5)
    for entries, cursor in [
        (log.entries[2:], log.cursor),
        ([log.entries[1], log.entries[3]], log.entries[3].cursor),
        (log.entries[1:3], log.cursor),
        ([], log.cursor),
    ]:
        with pytest.raises(Diverged):
            Resume(LOBBY, log.entries[0].cursor).joined(entries, cursor, False)


def test_another_cursor_at_the_same_offset_is_found() -> None:
    """An answer without entries that ends at our offset with another chain is another history."""
    log = log_of(1)
    with pytest.raises(Diverged, match="joined ends"):
        Resume(LOBBY, log.cursor).joined([], Cursor(1, "e" * 16), False)


@given(st.lists(st.tuples(st.sampled_from(["push", "join", "append"]), st.integers(0, 30)), max_size=60))
def test_whatever_comes_the_view_is_the_log(acts: list[tuple[str, int]]) -> None:
    """Pushes lost, repeated and out of order, and joins at any time: what was taken is a prefix of the log."""
    log = log_of(3)
    resume = Resume(LOBBY, START)
    taken: list[Entry] = []
    for act, number in acts:
        if act == "append":
            log.append(f"message {number}")
        elif act == "push":
            entry = log.entries[number % len(log.entries)]
            if resume.push(entry) is Step.NEXT:
                taken.append(entry)
        else:
            assert resume.cursor is not None
            page = log.after(resume.cursor)[: number % 5]
            taken += resume.joined(page, page[-1].cursor if page else resume.cursor, False)
    assert taken == log.entries[: len(taken)]
    assert resume.cursor == (taken[-1].cursor if taken else START)
