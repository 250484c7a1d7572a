"""People with a session on a running server."""

from __future__ import annotations

import itertools

from datchat.client import Api, SignIn

PASSWORD = "correct horse battery"

_numbers = itertools.count()


def fresh(word: str) -> str:
    """A name that nothing in this run has yet."""
    return f"{word}{next(_numbers)}"


async def person(url: str, name: str) -> SignIn:
    """Sign somebody up and in."""
    async with Api(url) as api:
        await api.sign_up(f"{name}@example.org", PASSWORD, name)
        return await api.sign_in(f"{name}@example.org", PASSWORD)


async def people(url: str, *names: str) -> list[SignIn]:
    """Sign several up and in."""
    return [await person(url, name) for name in names]
