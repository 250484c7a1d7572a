"""The hash chain."""

from __future__ import annotations

from hashlib import sha1

from hypothesis import given
from hypothesis import strategies as st

from datchat.chat import chain
from datchat.chat.model import GENESIS, LOBBY, START, Cursor, Entry

bodies = st.lists(st.binary(max_size=30), min_size=1, max_size=20)


def log(contents: list[bytes], after: Cursor = START) -> list[Entry]:
    """A sound log."""
    entries = []
    offset, link = after
    for body in contents:
        offset, link = offset + 1, chain.extend(link, body)
        entries.append(Entry(LOBBY, offset, link, body))
    return entries


def test_the_chain_is_what_the_protocol_says() -> None:
    """The first 16 hex digits of SHA-1 over the previous chain and the stored bytes."""
    assert chain.extend(GENESIS, b"body") == sha1(b"0000000000000000body").hexdigest()[:16]
    assert chain.extend("9f0c2d1e5a7b3c48", b"{}") == sha1(b"9f0c2d1e5a7b3c48{}").hexdigest()[:16]


@given(bodies)
def test_a_sound_log_has_no_faults(contents: list[bytes]) -> None:
    """Neither from its start nor from any entry on."""
    entries = log(contents)
    for start in range(len(entries)):
        after = entries[start - 1].cursor if start else START
        assert list(chain.faults(entries[start:], after)) == []


@given(bodies, st.data())
def test_a_changed_entry_is_found(contents: list[bytes], data: st.DataObject) -> None:
    """One fault for one change, wherever it is."""
    entries = log(contents)
    place = data.draw(st.integers(0, len(entries) - 1))
    old = entries[place]
    entries[place] = Entry(LOBBY, old.offset, old.chain, old.body + b"x")
    (fault,) = chain.faults(entries)
    assert f"the chain of offset {old.offset} is {old.chain}" in fault


@given(bodies, st.data())
def test_a_missing_entry_is_found(contents: list[bytes], data: st.DataObject) -> None:
    """A hole is told once, with its edges; only a missing end can't be seen from the entries."""
    entries = log([*contents, b"last"])
    place = data.draw(st.integers(0, len(entries) - 2))
    del entries[place]
    assert list(chain.faults(entries)) == [f"offset {place + 2} follows {place}"]


def test_a_repeated_entry_is_found() -> None:
    """An offset that comes twice is told, and what follows is judged on."""
    first, second, third = log([b"a", b"b", b"c"])
    assert list(chain.faults([first, second, second, third])) == ["offset 2 follows 2"]


@given(bodies, bodies, bodies)
def test_logs_that_agree_on_a_cursor_agree_on_everything_before(a: list[bytes], b: list[bytes], c: list[bytes]) -> None:
    """Two histories that differ somewhere differ in every later chain, though they go on with the same entries."""
    ours, theirs = log([*a, *c]), log([*b, *c])
    for mine, other in zip(ours, theirs, strict=False):
        if mine.cursor == other.cursor:
            assert [e.body for e in ours[: mine.offset]] == [e.body for e in theirs[: mine.offset]]


def test_a_log_that_goes_on_from_another_history_is_found() -> None:
    """Entries are judged on the cursor that they should follow."""
    entries = log([b"a", b"b"])
    (fault,) = chain.faults(entries[1:], Cursor(1, "0123456789abcdef"))
    assert "the chain of offset 2" in fault
