"""When a failover is asked for, and whom."""

from __future__ import annotations

from dataclasses import replace

import pytest

from datchat.backends.redis.ack import Sentinel
from datchat.backends.redis.haste import AGAIN_S, REFUSED_S, Haste, Holding, alike, read_holding, whom_to_ask
from datchat.backends.redis.url import Access, Address

MASTER, OTHER = Address("10.0.0.1", 6379), Address("10.0.0.2", 6379)


def test_refused_connections_have_to_last() -> None:
    """One refusal is a hiccup; nothing else for 0.3 s is a process that is gone."""
    haste = Haste()
    assert not haste.refused(MASTER, 10.0)
    assert not haste.refused(MASTER, 10.0 + REFUSED_S / 2)
    assert haste.refused(MASTER, 10.0 + REFUSED_S)


@pytest.mark.parametrize("between", ["an answer", "another master"])
def test_anything_else_begins_anew(between: str) -> None:
    """A master that took a connection in between is not gone; neither is another one."""
    haste = Haste()
    haste.refused(MASTER, 10.0)
    if between == "an answer":
        haste.answered()
    else:
        haste.refused(OTHER, 10.1)
    assert not haste.refused(MASTER, 10.0 + REFUSED_S)


def test_it_is_asked_for_once() -> None:
    """What takes longer is not hastened by asking again at once."""
    haste = Haste()
    haste.refused(MASTER, 10.0)
    haste.asked(11.0)
    assert not haste.refused(MASTER, 11.0 + AGAIN_S / 2)
    assert haste.refused(MASTER, 11.0 + AGAIN_S)


LOST = [Sentinel(name, MASTER, unconnected=True) for name in "abc"]


def test_all_nodes_ask_the_same_sentinel() -> None:
    """The first by its id, whatever the order of the answers."""
    assert whom_to_ask(MASTER, LOST, 2) == LOST[0]
    assert whom_to_ask(MASTER, LOST[::-1], 2) == LOST[0]
    assert whom_to_ask(MASTER, [LOST[0], LOST[1], replace(LOST[2], unconnected=False)], 2) == LOST[0]


@pytest.mark.parametrize(
    "voices",
    [
        [LOST[0], replace(LOST[1], unconnected=False), replace(LOST[2], unconnected=False)],
        [replace(LOST[0], unconnected=False), LOST[1], LOST[2]],
        [LOST[0], LOST[1], replace(LOST[2], failing_over=True)],
        [LOST[0], LOST[1], replace(LOST[2], master=OTHER)],
        [LOST[0]],
        [],
    ],
    ids=["they see it", "the first one sees it", "one is at it", "one names another", "one answers", "none answers"],
)
def test_nobody_is_asked_when_it_is_not_certain(voices: list[Sentinel]) -> None:
    """A majority has to have lost the master, and nobody may be replacing it already."""
    assert whom_to_ask(MASTER, voices, 2) is None


INFO = (
    "# Replication\r\nrole:slave\r\nmaster_host:10.0.0.1\r\nmaster_port:6379\r\nmaster_link_status:down\r\n"
    "slave_repl_offset:77\r\nmaster_sync_in_progress:0\r\nmaster_replid:abc\r\n"
)


def test_what_a_replica_holds_is_read() -> None:
    """Whom it follows, which history, and how far."""
    assert read_holding(INFO.encode()) == Holding(MASTER, "abc", 77)
    assert read_holding(INFO.replace("sync_in_progress:0", "sync_in_progress:1").encode()) is None
    assert read_holding(INFO.replace("role:slave", "role:master").encode()) is None


async def test_replicas_that_do_not_answer_hold_nothing_for_certain() -> None:
    """Without an answer of every replica, or without replicas, nothing is asked for."""
    assert not await alike([], MASTER, Access())
    assert not await alike([Address("127.0.0.1", 1)], MASTER, Access())
