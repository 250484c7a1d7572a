"""The Presence port, sentence by sentence."""

from __future__ import annotations

from contract.conftest import Store
from datchat.chat.model import LOBBY, RoomId, User
from datchat.ports import Presence
from support.drafts import ALICE, BOB, CAROL

GARDEN = RoomId("garden")


async def test_who_is_touched_is_there(presence: Presence) -> None:
    """A lease makes a user present in its room, and in no other."""
    await presence.touch(LOBBY, "web0", [ALICE], 10)
    assert await presence.roster(LOBBY) == [ALICE]
    assert await presence.roster(GARDEN) == []


async def test_each_is_there_once_by_name(presence: Presence) -> None:
    """However many nodes hold a lease of theirs."""
    dora = User("u_0", "Dora")
    await presence.touch(LOBBY, "web1", [CAROL, ALICE, dora], 10)
    await presence.touch(LOBBY, "web0", [BOB, ALICE], 10)
    assert await presence.roster(LOBBY) == [ALICE, BOB, CAROL, dora]


async def test_a_lease_ends_by_itself(store: Store, presence: Presence) -> None:
    """Without a touch within ``ttl_s`` a user is gone: a node that dies takes its leases with it."""
    await presence.touch(LOBBY, "web0", [ALICE], 1)
    await presence.touch(LOBBY, "web1", [BOB], 100)
    await store.pass_time(1.1)
    assert await presence.roster(LOBBY) == [BOB]


async def test_a_touch_renews(store: Store, presence: Presence) -> None:
    """A lease counts from its last touch."""
    await presence.touch(LOBBY, "web0", [ALICE], 2)
    await store.pass_time(1.5)
    await presence.touch(LOBBY, "web0", [ALICE], 2)
    await store.pass_time(1)
    assert await presence.roster(LOBBY) == [ALICE]


async def test_a_drop_ends_this_nodes_lease_only(presence: Presence) -> None:
    """Somebody who is on another node as well stays."""
    await presence.touch(LOBBY, "web0", [ALICE, BOB], 10)
    await presence.touch(LOBBY, "web1", [ALICE], 10)
    await presence.drop(LOBBY, "web0", ["u_alice", "u_bob"])
    assert await presence.roster(LOBBY) == [ALICE]


async def test_unknown_leases_are_ignored(presence: Presence) -> None:
    """Dropping who is not there, where nobody is, is no error."""
    await presence.drop(LOBBY, "web0", ["u_alice"])
    await presence.touch(LOBBY, "web0", [], 10)
    await presence.drop(LOBBY, "web1", ["u_alice"])
    assert await presence.roster(LOBBY) == []
