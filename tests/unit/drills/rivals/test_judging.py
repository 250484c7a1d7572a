"""Hand-written histories of chats without offsets: each checker rejects its own, and nothing else."""

from __future__ import annotations

import pytest

from datchat.drills.checkers import Verdict, judge
from datchat.drills.history import History, Logged, Operation, Outcome, Seen
from datchat.drills.numbers import Counts
from datchat.drills.rivals.judging import View, checkers_for, counts

A, B, C = ("a" * 32, "b" * 32, "c" * 32)


def entry(nonce: str) -> Logged:
    return Logged("lobby", 0, "", b"", nonce, f"hello {nonce}")


def posted(nonce: str, at: float, took_s: float | None = 0.1) -> Operation:
    if took_s is None:
        return Operation("poster-1", "lobby", nonce, f"hello {nonce}", at, None, Outcome.UNKNOWN)
    return Operation("poster-1", "lobby", nonce, f"hello {nonce}", at, at + took_s, Outcome.STORED)


def history(log: str, shown: str, *, c_took_s: float | None = 0.1) -> History:
    """Three messages were posted one after the other; reader-1 stayed and was shown these."""
    return History(
        operations=[posted(A, 0), posted(B, 1), posted(C, 2, c_took_s)],
        log={"lobby": [entry(letter * 32) for letter in log]},
        seen={("reader-1", "lobby"): [Seen(3, entry(letter * 32)) for letter in shown]},
        stayed={("reader-1", "lobby")},
    )


@pytest.mark.parametrize(
    ("log", "shown", "found", "counted"),
    [
        ("abc", "abc", set(), (0, 0, 0, 0, 0)),
        ("ab", "ab", {"kept"}, (1, 0, 0, 0, 0)),
        ("abbc", "abc", {"once"}, (0, 1, 0, 0, 0)),
        ("acb", "acb", {"ordered"}, (0, 0, 1, 0, 0)),
        ("abc", "c", {"gapless"}, (0, 0, 0, 2, 0)),
        ("abc", "", {"gapless"}, (0, 0, 0, 3, 0)),
        ("abcd", "abcd", {"once"}, (0, 0, 0, 0, 0)),
    ],
    ids=["good", "lost", "doubled", "reordered", "gap", "nothing shown", "nobody's"],
)
def test_each_fault_is_named(log: str, shown: str, found: set[str], counted: tuple[int, ...]) -> None:
    """Each with its checker, and counted as what it is."""
    judged = history(log, shown)
    judgement = judge(judged, checkers_for([]))

    assert set(judgement.faults) == found
    assert judgement.verdict is (Verdict.INVALID if found else Verdict.VALID)
    assert counts(judged, []) == Counts(*counted)


def test_a_phantom_was_shown_and_is_gone() -> None:
    """Also when nobody was told that it is stored; each counts once."""
    judged = history("ab", "abc", c_took_s=None)
    judged.seen["reader-2", "lobby"] = list(judged.seen["reader-1", "lobby"])

    assert set(judge(judged, checkers_for([])).faults) == {"safe"}
    assert counts(judged, []) == Counts(0, 0, 0, 0, 1)


def test_what_may_be_there_or_not_is_no_fault() -> None:
    """An indefinite post may be missing."""
    assert judge(history("ab", "ab", c_took_s=None), checkers_for([])).verdict is Verdict.VALID


@pytest.mark.parametrize(("shown", "faults"), [("abc", 0), ("acb", 1), ("abbc", 1), ("bc", 0), ("adbc", 0)])
def test_pages_that_append_show_the_order_of_the_history(shown: str, faults: int) -> None:
    """In its order and each once, from wherever a page begins; what is not there is told by another checker."""
    judged = history("abc", "abc")
    views = [View("reader-1", "lobby", [letter * 32 for letter in shown])]
    judgement = judge(judged, checkers_for(views))

    assert len(judgement.faults.get("gapless", [])) == faults
    assert counts(judged, views).gaps == faults


def test_a_gap_is_told_by_its_first_message() -> None:
    """With how many follow, so that its story can be found."""
    faults = judge(history("abc", "a"), checkers_for([])).faults

    assert faults["gapless"] == [f"reader-1 was never shown 2 messages of lobby in a row, from {B} on"]


def test_a_room_that_was_not_read_is_not_judged() -> None:
    """Nobody knows what is in it: unknown, never valid."""
    judged = history("abc", "abc")
    judged.log.clear()

    assert judge(judged, checkers_for([])).verdict is Verdict.UNKNOWN
    assert counts(judged, []) == Counts(0, 0, 0, 0, 0)
