"""Accounts and sessions for a drill, made through the API of the running chat."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import Final

from datchat.client import Api, Refused, Unreachable

PASSWORD: Final = "a drill, not a person"
TRY_S: Final = 30.0
"""How long making an account is tried: one may arrive in the middle of a failover."""


@dataclass(frozen=True)
class Person:
    """Somebody with an account and a session."""

    name: str
    email: str
    token: str


async def arrive(api: Api, name: str) -> Person:
    """
    Sign up and sign in.

    Raises:
        Refused, Unreachable: It did not go within ``TRY_S``.
    """
    email = f"{name}-{secrets.token_hex(4)}@drill.invalid"
    deadline = asyncio.get_running_loop().time() + TRY_S
    signed_up = False
    while True:
        try:
            if not signed_up:
                await api.sign_up(email, PASSWORD, name)
                signed_up = True
            return Person(name, email, (await api.sign_in(email, PASSWORD)).token)
        except Refused as refusal:
            # The answer to an earlier try may have been lost after it was carried out.
            signed_up = signed_up or refusal.code == "taken"
            if refusal.code not in ("taken", "unavailable", "rate_limited") or _over(deadline):
                raise
        except Unreachable:
            if _over(deadline):
                raise
        await asyncio.sleep(0.2)


async def make_room(api: Api, person: Person, room: str) -> None:
    """Create a room; one that is there already is no error."""
    deadline = asyncio.get_running_loop().time() + TRY_S
    while True:
        try:
            await api.create_room(person.token, room, f"Drill {room.rpartition('-')[2]}")
        except Refused as refusal:
            if refusal.code == "taken":
                return
            if refusal.code != "unavailable" or _over(deadline):
                raise
        except Unreachable:
            if _over(deadline):
                raise
        else:
            return
        await asyncio.sleep(0.2)


def _over(deadline: float) -> bool:
    return asyncio.get_running_loop().time() > deadline
