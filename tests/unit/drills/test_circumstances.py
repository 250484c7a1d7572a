"""Each checker of what went on around the clients rejects what it is there for, and bears what may be."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from datchat.client import Cursor
from datchat.drills.checkers import CHECKERS, Verdict, judge
from datchat.drills.circumstances import (
    GRACE_S,
    MOST_GROWTH_BYTES,
    MOST_LEFT_OPEN,
    Attempt,
    Circumstances,
    Contradiction,
    DeadSession,
    Fault,
    Sample,
    checkers_for,
)
from datchat.drills.history import History, Operation, Outcome


def acknowledged_at(*times: float) -> History:
    """A history with acknowledgements at these times. The log is of no interest here."""
    history = History()
    history.operations = [
        Operation("alice", "lobby", f"n{number}", "hello", at - 0.1, at, Outcome.STORED, Cursor(number, "f" * 16))
        for number, at in enumerate(times, 1)
    ]
    return history


def around() -> Circumstances:
    """A drill of 60 s with a fault from 20 to 25; a session ended at 40 and was refused after; a node of usual size."""
    return Circumstances(
        faults=[Fault("kill", "redismaster", 20, 25)],
        dead=[DeadSession("visitor-1", 40)],
        attempts=[
            Attempt("visitor-1", 39, "the API", True),
            Attempt("visitor-1", 41, "the API", False),
            Attempt("visitor-1", 42, "a socket", None),
        ],
        samples=[Sample(0, "web0", 7, 70 * 2**20, 30), Sample(61, "web0", 7, 80 * 2**20, 35)],
        load_from=0,
        load_until=60,
        silence_limit_s=10,
    )


def calm() -> History:
    return acknowledged_at(*range(1, 60))


def test_what_may_be_is_borne() -> None:
    """A good drill passes every checker."""
    for name, check in checkers_for(around()).items():
        assert list(check(calm())) == [], name


Spoil = Callable[[Circumstances], None]


def honour_a_dead_session(circumstances: Circumstances) -> None:
    circumstances.attempts.append(Attempt("visitor-1", 43, "a socket", True))


def honour_it_beyond_the_grace(circumstances: Circumstances) -> None:
    circumstances.faults.append(Fault("pause", "redismaster", 39, None))
    circumstances.attempts.append(Attempt("visitor-1", 41 + GRACE_S, "the API", True))


def contradict(circumstances: Circumstances) -> None:
    circumstances.contradictions.append(Contradiction("reader-1", 5, "offset 7 was told again with another chain"))


def say_nothing(around: Circumstances) -> None:
    around.unnoticed.append("web0 did not say within 5 s that it hears nothing")


def stay_broken(circumstances: Circumstances) -> None:
    circumstances.unhealed = "web1 is failed"


def leak_memory(circumstances: Circumstances) -> None:
    circumstances.samples.append(Sample(62, "web0", 7, 71 * 2**20 + MOST_GROWTH_BYTES, 30))


def leak_descriptors(circumstances: Circumstances) -> None:
    circumstances.samples.append(Sample(62, "web0", 7, 70 * 2**20, 31 + MOST_LEFT_OPEN))


@pytest.mark.parametrize(
    ("checker", "spoil"),
    [
        ("sessions", honour_a_dead_session),
        ("sessions", honour_it_beyond_the_grace),
        ("consistent", contradict),
        ("healed", stay_broken),
        ("noticed", say_nothing),
        ("bounded", leak_memory),
        ("bounded", leak_descriptors),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_what_may_not_be_is_rejected(checker: str, spoil: Spoil) -> None:
    """By the checker that is there for it, and so by the judge."""
    circumstances = around()
    spoil(circumstances)
    assert list(checkers_for(circumstances)[checker](calm()))
    assert judge(calm(), {**CHECKERS, **checkers_for(circumstances)}).verdict is Verdict.INVALID


def test_a_silence_is_blamed_on_its_fault() -> None:
    """Too long a silence is told with the fault after which it came."""
    silent = acknowledged_at(*range(1, 20), *range(35, 60))
    (fault,) = checkers_for(around())["available"](silent)
    assert "after kill of redismaster nothing was acknowledged for 15.0 s" in fault


def test_a_silence_that_nothing_explains_is_told() -> None:
    """Also when nothing was broken at that time."""
    silent = acknowledged_at(*range(1, 5), *range(17, 60))
    (fault,) = checkers_for(around())["available"](silent)
    assert fault == "nothing was acknowledged for 13.0 s, and no fault explains it"


def test_silence_is_not_judged_before_there_was_a_load() -> None:
    """A drill that never came to its load is unknown by other ways; this checker has nothing to say."""
    assert list(checkers_for(Circumstances())["available"](History())) == []


def test_a_dead_session_may_live_while_the_store_is_away() -> None:
    """Within the grace, and while a fault or its after-effects last, a node that could hear nothing may honour it."""
    circumstances = around()
    circumstances.dead = [DeadSession("visitor-1", 22)]
    circumstances.attempts = [Attempt("visitor-1", 24, "the API", True)]
    assert list(checkers_for(circumstances)["sessions"](calm())) == []


def test_a_process_that_was_replaced_begins_anew() -> None:
    """What a restarted node takes is not compared with what its predecessor took."""
    circumstances = around()
    circumstances.samples = [Sample(0, "web0", 7, 2**20, 3), Sample(61, "web0", 8, 2**20 + MOST_GROWTH_BYTES * 2, 300)]
    assert list(checkers_for(circumstances)["bounded"](calm())) == []


def test_descriptors_count_when_everybody_has_left() -> None:
    """While people are there their sockets are no leak."""
    circumstances = around()
    circumstances.samples = [Sample(0, "web0", 7, 2**20, 3), Sample(59, "web0", 7, 2**20, 300)]
    assert list(checkers_for(circumstances)["bounded"](calm())) == []


def test_memory_is_judged_where_descriptors_can_not_be_seen() -> None:
    """A target that shows less is judged by what it shows."""
    circumstances = around()
    circumstances.samples = [Sample(0, "web0", 7, 2**20, None), Sample(61, "web0", 7, 2**20, None)]
    assert list(checkers_for(circumstances)["bounded"](calm())) == []

    circumstances.samples.append(Sample(62, "web0", 7, 3 * 2**20 + MOST_GROWTH_BYTES, None))
    assert len(list(checkers_for(circumstances)["bounded"](calm()))) == 1
