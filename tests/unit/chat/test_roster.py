"""Presence leases."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from datchat.chat.model import User
from datchat.chat.roster import Roster, difference

ALICE, BOB, CAROL = User("u_a", "alice"), User("u_b", "Bob"), User("u_c", "carol")
PEOPLE = (ALICE, BOB, CAROL)


def test_a_lease_lives_until_its_end() -> None:
    """At the moment of its end it is over, whether or not it was swept away."""
    roster = Roster()
    roster.touch("web0", [ALICE], until=10)
    assert roster.present(9.9) == [ALICE]
    assert roster.present(10) == []
    assert len(roster) == 1
    roster.expire(10)
    assert len(roster) == 0


def test_expiring_keeps_the_living() -> None:
    """Only what has ended is forgotten."""
    roster = Roster()
    roster.touch("web0", [ALICE], until=10)
    roster.touch("web1", [ALICE, BOB], until=20)
    roster.expire(15)
    assert len(roster) == 2
    assert roster.present(15) == [ALICE, BOB]


def test_a_touch_renews_and_a_drop_ends() -> None:
    """Leases are a node's and a user's; unknown ones are ignored."""
    roster = Roster()
    roster.touch("web0", [ALICE, BOB], until=10)
    roster.touch("web0", [ALICE], until=20)
    roster.drop("web0", ["u_b", "u_nobody"])
    roster.drop("web1", ["u_a"])
    assert roster.present(15) == [ALICE]


def test_the_roster_is_sorted_by_name_however_it_is_cased() -> None:
    """And by id among equal names, so that every node shows the same."""
    twin = User("u_0", "ALICE")
    roster = Roster()
    roster.touch("web0", [CAROL, BOB, ALICE, twin], until=10)
    assert roster.present(0) == [twin, ALICE, BOB, CAROL]


touches = st.tuples(
    st.just("touch"), st.sampled_from(["web0", "web1"]), st.sets(st.sampled_from([0, 1, 2])), st.integers(1, 20)
)
drops = st.tuples(
    st.just("drop"), st.sampled_from(["web0", "web1"]), st.sets(st.sampled_from([0, 1, 2])), st.integers(1, 20)
)
expiries = st.tuples(st.just("expire"), st.just(""), st.just(set()), st.integers(1, 20))


@given(st.lists(touches | drops | expiries, max_size=30))
def test_who_is_present_is_who_holds_a_living_lease(steps: list[tuple[str, str, set[int], int]]) -> None:
    """Whatever is touched, dropped and swept, in whatever order: the last word on each lease counts."""
    roster = Roster()
    leases: dict[tuple[str, int], int] = {}
    now = 0
    for step, node, people, number in steps:
        now += number % 3
        if step == "touch":
            roster.touch(node, [PEOPLE[person] for person in people], now + number)
            leases |= {(node, person): now + number for person in people}
        elif step == "drop":
            roster.drop(node, [PEOPLE[person].id for person in people])
            leases = {key: until for key, until in leases.items() if key[0] != node or key[1] not in people}
        else:
            roster.expire(now)
        living = {person for (_, person), until in leases.items() if until > now}
        assert roster.present(now) == [PEOPLE[person] for person in sorted(living)]


@given(st.sets(st.sampled_from(PEOPLE)), st.sets(st.sampled_from(PEOPLE)))
def test_difference_is_who_came_and_who_left(before: set[User], after: set[User]) -> None:
    """By id: a new name is no coming and no going."""
    joined, left = difference(before, after)
    assert (set(joined), set(left)) == (after - before, before - after)
    assert difference([ALICE], [User(ALICE.id, "another name")]) == ([], [])
