"""Drafts on their way: order, ages, retries, and what is known of those that fail."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datchat.chat import wire
from datchat.chat.model import RoomId
from datchat.client.backoff import Backoff
from datchat.client.errors import NotStored, OutboxFull, Refused, Unconfirmed
from datchat.client.outbox import Outbox
from datchat.errors import TooLarge
from support.dice import Highest

LOBBY = RoomId("lobby")


def post(nonce: str, text: str = "hello") -> wire.Post:
    return wire.Post(room=LOBBY, nonce=nonce, text=text)


def outbox(**options: Any) -> Outbox:
    return Outbox(Backoff(Highest(), base_s=1.0, cap_s=8.0), **options)


def sent(box: Outbox, now: float = 0.0) -> list[str]:
    return [json.loads(frame)["nonce"] for frame in box.take(now)]


def test_drafts_leave_in_order_and_once() -> None:
    """What is under way is not sent a second time."""
    box = outbox()
    for nonce in "abc":
        box.add(post(nonce))
    assert sent(box) == ["a", "b", "c"]
    assert sent(box) == []
    assert len(box) == 3


def test_a_frame_is_the_command_with_its_nonce_as_id() -> None:
    """Every kind of command goes out whole; the first time without an age."""
    box = outbox()
    box.add(wire.Post(room=LOBBY, nonce="a", text="hi", reply_to=3))
    box.add(wire.Edit(room=LOBBY, nonce="b", target=1, text="ho"))
    box.add(wire.Delete(room=LOBBY, nonce="c", target=2))
    box.add(wire.React(room=LOBBY, nonce="d", target=2, emoji="👍", on=False))
    assert [json.loads(frame) for frame in box.take(5.0)] == [
        {"type": "post", "id": "a", "room": "lobby", "nonce": "a", "text": "hi", "reply_to": 3},
        {"type": "edit", "id": "b", "room": "lobby", "nonce": "b", "target": 1, "text": "ho"},
        {"type": "delete", "id": "c", "room": "lobby", "nonce": "c", "target": 2},
        {"type": "react", "id": "d", "room": "lobby", "nonce": "d", "target": 2, "emoji": "👍", "on": False},
    ]


def test_after_a_loss_all_go_again_in_order_with_their_age() -> None:
    """The age counts from the first time that the nonce went out; what had not gone has none."""
    box = outbox(window=2)
    for nonce in "abc":
        box.add(post(nonce))
    assert sent(box, 1.0) == ["a", "b"]
    box.interrupted()
    box.add(post("d"))
    frames = [json.loads(frame) for frame in box.take(3.5)]
    assert [(frame["nonce"], frame.get("age_ms")) for frame in frames] == [("a", 2500), ("b", 2500)]
    box.stored("a")
    box.stored("b")
    frames = [json.loads(frame) for frame in box.take(4.0)]
    assert [(frame["nonce"], frame.get("age_ms")) for frame in frames] == [("c", None), ("d", None)]


def test_the_window_bounds_what_is_under_way() -> None:
    """Each acknowledgement lets one more go."""
    box = outbox(window=2)
    for nonce in "abcd":
        box.add(post(nonce))
    assert sent(box) == ["a", "b"]
    assert box.stored("a") is not None
    assert sent(box) == ["c"]
    assert box.stored("a") is None, "told once"


def test_the_capacity_refuses() -> None:
    """Past the capacity nothing is taken, and room is made by answers."""
    box = outbox(capacity=2)
    box.add(post("a"))
    box.add(post("b"))
    with pytest.raises(OutboxFull):
        box.add(post("c"))
    sent(box)
    box.stored("a")
    box.add(post("c"))


def test_what_can_not_be_sent_is_not_taken() -> None:
    """A nonce that is on its way, and a frame that would close the connection."""
    box = outbox()
    box.add(post("a"))
    with pytest.raises(ValueError, match="on its way"):
        box.add(post("a"))
    with pytest.raises(TooLarge):
        box.add(post("b", "x" * wire.MAX_FRAME))
    assert sent(box) == ["a"]
    box.stored("a")
    box.add(post("a"))


def test_refused_for_a_while_goes_again_after_that_and_holds_back_the_rest() -> None:
    """``retry_after_ms`` is honoured, with the same nonce, and nothing later overtakes."""
    box = outbox(window=1)
    box.add(post("a"))
    box.add(post("b"))
    assert sent(box, 10.0) == ["a"]
    assert box.refused("a", "rate_limited", "", True, 0.5, 10.0) is None
    assert box.due_at(True) == 10.5
    assert sent(box, 10.4) == []
    assert sent(box, 10.5) == ["a"]
    box.stored("a")
    assert sent(box, 10.5) == ["b"]


def test_unavailable_pauses_longer_each_time() -> None:
    """Without a time from the server the pauses grow, and an answer ends that."""
    box = outbox()
    box.add(post("a"))
    now = 0.0
    pauses = []
    for _ in range(4):
        assert sent(box, now) == ["a"]
        box.refused("a", "unavailable", "", True, None, now)
        due_at = box.due_at(True)
        assert due_at is not None
        pauses.append(due_at - now)
        now = due_at
    assert pauses == [1.0, 2.0, 4.0, 8.0]


def test_a_refusal_for_good_is_definite_when_nothing_is_open() -> None:
    """The first try was answered: nothing was stored. Rate limits before don't change that."""
    box = outbox()
    box.add(post("a"))
    sent(box)
    box.refused("a", "rate_limited", "", True, 0.0, 0.0)
    sent(box)
    ended = box.refused("a", "forbidden", "no", False, None, 0.0)
    assert ended is not None
    assert isinstance(ended[1], Refused)
    assert ended[1].code == "forbidden"
    assert len(box) == 0


@pytest.mark.parametrize("before", ["lost", "unavailable"])
@pytest.mark.parametrize("code", ["stale_nonce", "no_such_room"])
def test_a_refusal_after_an_open_try_is_not_definite(before: str, code: str) -> None:
    """An earlier try that was never answered, or may have been stored, leaves it open."""
    box = outbox()
    box.add(post("a"))
    sent(box)
    if before == "lost":
        box.interrupted()
    else:
        box.refused("a", "unavailable", "", True, 0.0, 0.0)
    sent(box)
    ended = box.refused("a", code, "no", False, None, 0.0)
    assert ended is not None
    assert isinstance(ended[1], Unconfirmed)


@pytest.mark.parametrize("code", ["empty", "too_large", "bad_command"])
def test_a_refusal_of_the_content_is_always_definite(code: str) -> None:
    """Every try of it was refused so, answered or not."""
    box = outbox()
    box.add(post("a"))
    sent(box)
    box.interrupted()
    sent(box)
    ended = box.refused("a", code, "no", False, None, 0.0)
    assert ended is not None
    assert isinstance(ended[1], Refused)


def test_past_the_window_of_nonces_nothing_is_sent_again() -> None:
    """The server may have forgotten the nonce: what went out is given up, what never did goes on."""
    box = outbox(window=1, nonce_window_s=600)
    box.add(post("a"))
    box.add(post("b"))
    sent(box, 0.0)
    box.interrupted()
    assert box.expire(599.9) == []
    assert box.due_at(False) == 600.0
    assert sent(box, 600.0) == []
    [(draft, error)] = box.expire(600.0)
    assert draft.nonce == "a"
    assert isinstance(error, Unconfirmed)
    assert sent(box, 600.0) == ["b"]


def test_past_the_window_a_rate_limited_one_is_definite() -> None:
    """Every try was answered with a refusal: it is not stored."""
    box = outbox(nonce_window_s=600)
    box.add(post("a"))
    sent(box, 0.0)
    box.refused("a", "rate_limited", "", True, 700.0, 0.0)
    [(_, error)] = box.expire(600.0)
    assert isinstance(error, NotStored)


def test_giving_up_tells_what_is_known_of_each() -> None:
    """Under way: open. Never sent: not stored."""
    box = outbox(window=1)
    box.add(post("a"))
    box.add(post("b"))
    sent(box)
    assert [(draft.nonce, type(error)) for draft, error in box.abandon("closed")] == [
        ("a", Unconfirmed),
        ("b", NotStored),
    ]
    assert len(box) == 0


def test_who_waits_longest() -> None:
    """The oldest unanswered command is what tells that a connection is no good."""
    box = outbox(window=2)
    assert box.oldest_sent_at() is None
    box.add(post("a"))
    sent(box, 1.0)
    box.add(post("b"))
    sent(box, 2.0)
    assert box.oldest_sent_at() == 1.0
    box.stored("a")
    assert box.oldest_sent_at() == 2.0


@given(st.lists(st.tuples(st.sampled_from(["add", "deliver", "answer", "cut"]), st.integers(1, 4)), max_size=80))
def test_everything_is_stored_once_and_in_order_however_the_connection_fares(acts: list[tuple[str, int]]) -> None:
    """A server that dedupes, a line that is cut anywhere, before or after the store: once each, in order."""
    box = Outbox(Backoff(random.Random(1)), window=3)
    log: list[str] = []
    line: list[str] = []
    answers: list[str] = []
    added = acknowledged = 0

    def flow(act: str, times: int) -> None:
        nonlocal added, acknowledged
        for _ in range(times):
            if act == "add":
                box.add(post(f"n{added}"))
                added += 1
            elif act == "deliver" and line:
                nonce = line.pop(0)
                if nonce not in log:
                    log.append(nonce)
                answers.append(nonce)
            elif act == "answer" and answers:
                assert box.stored(answers.pop(0)) is not None
                acknowledged += 1
            elif act == "cut":
                line.clear()
                answers.clear()
                box.interrupted()
            line.extend(sent(box))

    for act, times in acts:
        flow(act, times)
    while len(box):
        flow("deliver", 1)
        flow("answer", 1)
    assert log == [f"n{number}" for number in range(added)]
    assert acknowledged == added
