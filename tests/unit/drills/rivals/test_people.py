"""Who uses the chat, and what they can't play."""

from __future__ import annotations

from datchat.drills.rivals import people
from datchat.drills.rivals.workload import RivalWorkload
from datchat.drills.workload.datchat import DatChat


def test_without_a_rival_it_is_dat_chat() -> None:
    """Whose people can play everything."""
    assert isinstance(people.people(None), DatChat)
    assert list(people.left_out("slow-readers", None)) == []
    assert list(people.left_out("slow-readers", "original")) == [RivalWorkload.leaves_out["slow-readers"]]
    assert list(people.left_out("redis-kill", "original")) == []
