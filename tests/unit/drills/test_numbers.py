"""What is counted of a history, by hand-written ones."""

from __future__ import annotations

from collections import Counter

import pytest

from datchat.client import Cursor
from datchat.drills import numbers
from datchat.drills.circumstances import Circumstances, Sample
from datchat.drills.history import History, Logged, Operation, Outcome, Seen


def entry(offset: int, nonce: str, chain: str = "c" * 16) -> Logged:
    return Logged("lobby", offset, chain, b"", nonce, "hello")


def stored(nonce: str, offset: int, took_s: float = 0.1) -> Operation:
    return Operation("alice", "lobby", nonce, "hello", 0, took_s, Outcome.STORED, Cursor(offset, "c" * 16))


def test_lost_is_acknowledged_and_not_there() -> None:
    """One at another's place and one beyond the log's end are lost; one of a room that was not read is not judged."""
    history = History(log={"lobby": [entry(1, "a"), entry(2, "b")]})
    history.operations = [stored("a", 1), stored("x", 2), stored("y", 3)]
    elsewhere = stored("z", 1)
    elsewhere.room = "unread"
    history.operations.append(elsewhere)

    assert numbers.lost(history) == 2


def test_doubled_counts_what_is_too_much() -> None:
    """Three times the same is two too many."""
    history = History(log={"lobby": [entry(1, "a"), entry(2, "a"), entry(3, "a"), entry(4, "b")]})

    assert numbers.doubled(history) == 2


def test_phantoms_count_once() -> None:
    """An entry that vanished counts once, however many were shown it; another chain is another entry."""
    history = History(log={"lobby": [entry(1, "a")]})
    ghost, other = entry(2, "b"), entry(1, "a", "d" * 16)
    for client in ("alice", "bob"):
        history.seen[client, "lobby"] = [Seen(1, entry(1, "a")), Seen(2, ghost)]
    history.seen["carol", "lobby"] = [Seen(1, other)]

    assert numbers.phantoms(history) == 2


def test_what_was_never_answered_is_indefinite() -> None:
    """Under way at the end counts as given up."""
    history = History()
    history.operations = [
        stored("a", 1),
        Operation("alice", "lobby", "b", "hello", 0),
        Operation("alice", "lobby", "c", "hello", 0, 1, Outcome.UNKNOWN),
        Operation("alice", "lobby", "d", "hello", 0, 1, Outcome.FAILED),
    ]

    assert numbers.outcomes(history) == Counter({Outcome.STORED: 1, Outcome.UNKNOWN: 2, Outcome.FAILED: 1})


def test_latency_is_of_what_was_acknowledged() -> None:
    """Quantiles in milliseconds; none of nothing."""
    history = History()
    assert numbers.latency(history) is None

    history.operations = [stored(f"n{number}", number, number / 1000) for number in range(1, 101)]
    latency = numbers.latency(history)

    assert latency is not None
    assert (latency.p50_ms, latency.p95_ms, latency.p99_ms, latency.max_ms) == (51.0, 96.0, 100.0, 100.0)


def test_what_nodes_took_is_their_most() -> None:
    """First and most, over all processes of a node."""
    samples = [Sample(0, "web0", 1, 10, 5), Sample(1, "web0", 1, 30, 4), Sample(2, "web0", 2, 20, 9)]

    (spent,) = numbers.spent(Circumstances(samples=samples))

    assert (spent.part, spent.rss_first_bytes, spent.rss_max_bytes, spent.descriptors_max) == ("web0", 10, 30, 9)


@pytest.mark.parametrize(("seen", "most"), [([None, None], None), ([None, 4], 4), ([0, None], 0)], ids=str)
def test_descriptors_that_can_not_be_seen_are_not_made_up(seen: list[int | None], most: int | None) -> None:
    """Null when none were seen, and what was seen otherwise."""
    (spent,) = numbers.spent(Circumstances(samples=[Sample(0, "web0", 1, 10, count) for count in seen]))

    assert spent.descriptors_max == most


def test_all_counts_together() -> None:
    """Each is what it is counted as alone."""
    history = History(log={"lobby": [entry(1, "a"), entry(2, "a")]})
    history.operations = [stored("x", 3)]

    assert numbers.counts(history) == (1, 1, 0, 0, 0)
