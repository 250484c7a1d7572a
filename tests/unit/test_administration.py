"""What an operator does to a store: what is refused before anything is opened."""

from __future__ import annotations

import argparse

import pytest

from datchat import administration
from datchat.errors import ConfigurationError
from datchat.settings import load


async def test_a_store_that_holds_nothing_is_refused() -> None:
    """Accounts made in memory:// would be gone at once, and its log is always empty: said instead of done."""
    memory = load({"store": "memory://"}, {})

    with pytest.raises(ConfigurationError, match="name a store that lasts"):
        await administration.verify(memory)
    with pytest.raises(ConfigurationError, match="name a store that lasts"):
        await administration.user(memory, argparse.Namespace(act="list", json=False))
