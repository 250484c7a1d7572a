"""Weaker ack rules reach the pipeline by their names, and no other store knows them."""

from __future__ import annotations

import socket

import pytest

from datchat.backends import open_backend
from datchat.backends.redis import RedisBackend, ack
from datchat.errors import ConfigurationError

RULES = {"all": ack.ALONE, "none": ack.NONE, "one": ack.ONE, "fenced": ack.FENCED}


@pytest.mark.parametrize("name", RULES)
async def test_the_rule_is_used(name: str) -> None:
    """The store judges by the rule that was named; by that of its servers when it is the promise's."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    backend = await open_backend(f"redis://127.0.0.1:{port}", ack=name)
    try:
        assert isinstance(backend, RedisBackend)
        assert backend._posts._rule is RULES[name]
    finally:
        await backend.close()


async def test_other_stores_have_no_such_rule() -> None:
    """An embedded store has one rule: asking for another is told."""
    with pytest.raises(ConfigurationError, match="--ack one is for Redis servers"):
        await open_backend("memory://", ack="one")
