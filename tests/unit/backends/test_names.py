"""How e-mails and names are told apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datchat.backends.names import folded, free_name, room_order
from datchat.chat.model import LOBBY, Room, RoomId


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    """Folded forms can be compared with each other."""
    assert folded(folded(text)) == folded(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Alice", "ALICE"), ("straße", "STRASSE"), ("é", "e\u0301"), ("\ufb01sh", "FISH"), ("\u212b", "å")],
)
def test_what_passes_for_the_same_is_the_same(one: str, other: str) -> None:
    """Neither case nor form tells apart."""
    assert folded(one) == folded(other)


@given(st.lists(st.sampled_from(["a", "A", "a-2", "b", "a-2-2", "\uff41"]), max_size=20))
def test_free_names_never_meet(wanted: list[str]) -> None:
    """Whoever comes, everybody's name is their own; the first to come has it as it was asked for."""
    taken: set[str] = set()
    for name in wanted:
        given_name = free_name(name, taken.__contains__)
        assert folded(given_name) not in taken
        assert given_name == name or folded(name) in taken
        taken.add(folded(given_name))


def test_rooms_are_listed_lobby_first_then_by_title() -> None:
    """However titles are cased; rooms of one title by id."""
    made = [("z", "alpha"), ("lobby", "Zebra"), ("b", "BETA"), ("a", "beta")]
    rooms = [Room(id=RoomId(room_id), title=title) for room_id, title in made]
    assert [room.id for room in sorted(rooms, key=room_order)] == [LOBBY, "z", "a", "b"]
