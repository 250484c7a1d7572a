"""How long sessions are taken at their word, and which are not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from datchat.chat.model import CONTROL, SessionEnded, StoreState
from datchat.node import grace as module
from datchat.node.grace import Grace
from datchat.node.lifecycle import Node
from support.eventually import eventually

from .conftest import Client


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The session that was heard of first is forgotten; one that is heard of again counts from then."""
    monkeypatch.setattr(module, "ENDED_SESSIONS", 2)
    grace = Grace(60, StoreState, lambda: 0.0, lambda: 0)
    for session_id in ("a", "b", "a", "c"):
        grace.ended(session_id)
    assert [grace.holds(session_id) for session_id in "abc"] == [False, True, False]


async def test_a_node_hears_sessions_end(node: Node, arrive: Callable[..., Client]) -> None:
    """By the cluster's signal, by its own looks, and by somebody who signs out here."""
    assert node.grace.holds("told")
    await node.broker.signal(CONTROL, SessionEnded("told"))
    await eventually(lambda: not node.grace.holds("told"))

    await node.end_session("signed out")
    assert not node.grace.holds("signed out")

    arrive("alice", session_id="dead")
    await node._check_sessions()
    assert not node.grace.holds("dead")
