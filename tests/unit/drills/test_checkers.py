"""Each checker rejects the history that it is there for, and a good one passes them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha1

import pytest

from datchat.client import Cursor
from datchat.drills.checkers import CHECKERS, GENESIS, MOST_TOLD, Verdict, judge
from datchat.drills.history import History, Logged, Operation, Outcome, Seen, StartedOver, Strayed


def log_of(*nonces: str, room: str = "lobby") -> list[Logged]:
    """A right log with these entries."""
    chain, log = GENESIS, list[Logged]()
    for offset, nonce in enumerate(nonces, 1):
        body = f'"nonce":"{nonce}"'.encode()
        chain = sha1(chain.encode() + body).hexdigest()[:16]
        log.append(Logged(room, offset, chain, body, nonce, f"text of {nonce}"))
    return log


def stored(entry: Logged, invoked_at: float, completed_at: float, client: str = "alice") -> Operation:
    place = Cursor(entry.offset, entry.chain)
    return Operation(client, entry.room, entry.nonce, entry.text, invoked_at, completed_at, Outcome.STORED, place)


def good() -> History:
    """Alice posts a and b, bob posts c meanwhile, one post of his fails and one is never answered; both read on."""
    log = log_of("a", "c", "b", "d")
    history = History(log={"lobby": log})
    history.operations = [
        stored(log[0], 1, 2),
        stored(log[1], 1.5, 4, "bob"),
        stored(log[2], 2.5, 3),
        Operation("bob", "lobby", "d", "text of d", 5, 6, Outcome.UNKNOWN),
        Operation("bob", "lobby", "e", "text of e", 5, 6, Outcome.UNKNOWN),
        Operation("bob", "lobby", "f", "text of f", 5, 6, Outcome.FAILED, reason="Refused: too_large"),
        Operation("bob", "lobby", "g", "text of g", 5),
    ]
    history.seen = {
        ("alice", "lobby"): [Seen(7, entry) for entry in log],
        ("bob", "lobby"): [Seen(7, entry) for entry in log[1:]],
        ("left early", "lobby"): [Seen(7, entry) for entry in log[:2]],
    }
    history.stayed = {("alice", "lobby"), ("bob", "lobby")}
    return history


Spoil = Callable[[History], None]


def lose_the_last(history: History) -> None:
    history.operations.append(stored(history.log["lobby"].pop(), 5, 6))
    for seen in history.seen.values():
        seen[:] = [shown for shown in seen if shown.entry.offset < 4]
    history.operations = [o for o in history.operations if o.outcome is not Outcome.UNKNOWN]


def put_another_in_its_place(history: History) -> None:
    first = history.operations[0]
    history.operations[0] = stored(log_of("z")[0], 1, 2)
    history.operations.append(Operation("alice", "lobby", first.nonce, first.text, 1, 2, Outcome.UNKNOWN))


def change_its_text(history: History) -> None:
    history.operations[0].text = "what was really said"


def acknowledge_another_history(history: History) -> None:
    history.operations[0].place = Cursor(1, "f" * 16)


def double_a_post(history: History) -> None:
    history.log["lobby"] = log = log_of("a", "c", "b", "d", "a")
    for place in (("alice", "lobby"), ("bob", "lobby")):
        history.seen[place].append(Seen(8, log[4]))


def store_what_failed(history: History) -> None:
    history.log["lobby"] = log = log_of("a", "c", "b", "d", "f")
    for place in (("alice", "lobby"), ("bob", "lobby")):
        history.seen[place].append(Seen(8, log[4]))


def store_what_nobody_posted(history: History) -> None:
    history.operations = [operation for operation in history.operations if operation.nonce != "d"]


def begin_after_what_comes_later(history: History) -> None:
    history.operations[0].invoked_at, history.operations[0].completed_at = 10, 11


def leave_one_out(history: History) -> None:
    del history.seen["alice", "lobby"][1]


def show_one_twice(history: History) -> None:
    seen = history.seen["alice", "lobby"]
    seen.insert(1, seen[0])


def show_out_of_order(history: History) -> None:
    seen = history.seen["alice", "lobby"]
    seen[1], seen[2] = seen[2], seen[1]


def fall_silent(history: History) -> None:
    history.seen["alice", "lobby"].pop()


def see_nothing(history: History) -> None:
    history.stayed.add(("carol", "lobby"))


def send_out_of_turn(history: History) -> None:
    history.strays.append(Strayed("alice", "lobby", 3, 1, 3))


def start_over(history: History) -> None:
    history.resets.append(StartedOver("alice", "lobby", 3, Cursor(1, "f" * 16)))


def show_what_vanishes(history: History) -> None:
    history.seen["alice", "lobby"].append(Seen(8, log_of("a", "c", "b", "d", "e")[4]))


def show_another_history(history: History) -> None:
    seen = history.seen["alice", "lobby"]
    seen[3] = Seen(7, log_of("a", "b", "c", "d")[3])


def show_another_body(history: History) -> None:
    seen = history.seen["alice", "lobby"]
    entry = seen[3].entry
    seen[3] = Seen(7, Logged("lobby", 4, entry.chain, b"another", entry.nonce, entry.text))


def leave_a_hole(history: History) -> None:
    del history.log["lobby"][3]
    history.log["lobby"].append(Logged("lobby", 5, "0" * 16, b"", "e", "text of e"))


def break_the_chain(history: History) -> None:
    log = history.log["lobby"]
    log[3] = Logged("lobby", 4, "0" * 16, log[3].body, "d", "text of d")


BAD: list[tuple[str, Spoil]] = [
    ("kept", lose_the_last),
    ("kept", put_another_in_its_place),
    ("kept", change_its_text),
    ("kept", acknowledge_another_history),
    ("once", double_a_post),
    ("once", store_what_failed),
    ("once", store_what_nobody_posted),
    ("ordered", begin_after_what_comes_later),
    ("gapless", leave_one_out),
    ("gapless", show_one_twice),
    ("gapless", show_out_of_order),
    ("gapless", fall_silent),
    ("gapless", see_nothing),
    ("gapless", send_out_of_turn),
    ("gapless", start_over),
    ("safe", show_what_vanishes),
    ("safe", show_another_history),
    ("safe", show_another_body),
    ("chained", leave_a_hole),
    ("chained", break_the_chain),
]


def test_a_good_history_is_valid() -> None:
    """Posts that failed, are unknown or unanswered are no fault, nor is coming late or leaving early."""
    judgement = judge(good())
    assert judgement.verdict is Verdict.VALID, judgement
    assert str(judgement) == "valid"


@pytest.mark.parametrize(("checker", "spoil"), BAD, ids=lambda value: getattr(value, "__name__", value))
def test_a_bad_history_is_rejected(checker: str, spoil: Spoil) -> None:
    """By the checker that is there for it, and so by the judge."""
    history = good()
    spoil(history)
    assert list(CHECKERS[checker](history))
    judgement = judge(history)
    assert judgement.verdict is Verdict.INVALID
    assert checker in str(judgement)


def test_every_checker_has_its_bad_history() -> None:
    """None is without one."""
    assert {checker for checker, _ in BAD} == set(CHECKERS)


def test_a_checker_that_fails_knows_nothing() -> None:
    """It is no pass, and it does not hide what others found."""

    def crash(history: History) -> Iterator[str]:
        yield "found before it failed"
        raise KeyError("lobby")

    judgement = judge(good(), {**CHECKERS, "crash": crash})
    assert judgement.verdict is Verdict.UNKNOWN
    assert "crash can't be judged: KeyError" in str(judgement)
    history = good()
    leave_one_out(history)
    assert judge(history, {"crash": crash, **CHECKERS}).verdict is Verdict.INVALID


def test_nothing_acknowledged_says_nothing() -> None:
    """A run in which no post succeeded is unknown, however clean it looks."""
    assert judge(History()).verdict is Verdict.UNKNOWN
    history = History(log={"lobby": []})
    history.operations = [Operation("bob", "lobby", "e", "e", 5, 6, Outcome.FAILED)]
    assert judge(history).verdict is Verdict.UNKNOWN


def test_a_log_that_was_not_read_says_nothing() -> None:
    """What was posted to a room can't be judged without its log."""
    history = good()
    history.operations.append(Operation("bob", "den", "x", "x", 5, 6, Outcome.UNKNOWN))
    assert judge(history).verdict is Verdict.UNKNOWN


def test_many_faults_are_told_in_part() -> None:
    """The first ones, and how many more."""
    history = good()
    history.resets = [StartedOver("alice", "lobby", 3, None) for _ in range(MOST_TOLD + 5)]
    faults = judge(history).faults["gapless"]
    assert len(faults) == MOST_TOLD + 1
    assert faults[-1] == "… and 5 more"


def test_a_log_that_was_not_read_is_no_loss() -> None:
    """Nobody knows what is in it: unknown, and no fault of anybody's."""
    history = good()
    history.log.clear()
    history.stayed.clear()
    judgement = judge(history)
    assert judgement.verdict is Verdict.UNKNOWN
    assert judgement.unknown == {"log": "not read: lobby"}
