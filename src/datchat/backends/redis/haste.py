"""
A failover that is asked for, instead of waited for: a killed process is known at once by its refused connections.

Asked for only when it can't lose anything, whoever is chosen: every replica that any sentinel names answers, and all of
them hold exactly the same. Then a needless failover costs a second and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import NamedTuple

import structlog

from datchat.backends.redis.ack import Sentinel
from datchat.backends.redis.link import connect
from datchat.backends.redis.topology import ASK_S
from datchat.backends.redis.url import Access, Address

log = structlog.get_logger("datchat.redis")

REFUSED_S = 0.3
"""Seconds for which nothing but refused connections is seen before a failover is asked for."""
AGAIN_S = 10.0
"""Seconds before it is asked for again: the sentinels are at it."""


class Holding(NamedTuple):
    """What a replica holds: two that agree hold the same."""

    follows: Address
    history: str
    offset: int


class Haste:
    """Decides when a failover is asked for. Times are passed in, in seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._address: Address | None = None
        self._since = 0.0
        self._asked_at = float("-inf")

    def answered(self) -> None:
        """The master took a connection, or did something else than to refuse it."""
        self._address = None

    def refused(self, address: Address, now: float) -> bool:
        """The master refused a connection; whether it has done nothing else for long enough."""
        if address != self._address:
            self._address, self._since = address, now
        return now - self._since >= REFUSED_S and now - self._asked_at >= AGAIN_S

    def asked(self, now: float) -> None:
        """A failover was asked for."""
        self._asked_at = now


def whom_to_ask(address: Address, voices: Sequence[Sentinel], majority: int) -> Sentinel | None:
    """
    The sentinel to ask, the same for all nodes, so that no two fail over at once; None unless a majority has lost its
    connection to this master, too, and nobody is failing over or names another.
    """
    lost = [voice for voice in voices if voice.master == address and voice.unconnected]
    if len(lost) < majority or any(voice.failing_over or voice.master != address for voice in voices):
        return None
    first = min(voices, key=lambda voice: voice.id)
    return first if first in lost else None


async def alike(replicas: Collection[Address], master: Address, access: Access) -> bool:
    """Whether all these replicas of ``master`` answer, and hold the same."""
    held = await asyncio.gather(*(_holding(replica, access) for replica in replicas))
    first = held[0] if held else None
    return first is not None and first.follows == master and all(holding == first for holding in held)


async def _holding(address: Address, access: Access) -> Holding | None:
    """What a replica holds; None when it does not answer, or is in the midst of a synchronisation."""
    try:
        link = await connect(address, access, ASK_S)
        try:
            said = await link.call("INFO", "replication", deadline_s=ASK_S)
        finally:
            link.abort()
    except Exception:
        # Whatever it was: it has not said what would count.
        return None
    return read_holding(said)


def read_holding(said: bytes) -> Holding | None:
    """The answer to ``INFO replication``, of a replica that is not synchronising."""
    fields = dict(line.split(":", 1) for line in said.decode().splitlines() if ":" in line)
    if fields.get("role") != "slave" or fields.get("master_sync_in_progress") != "0":
        return None
    follows = Address(fields["master_host"], int(fields["master_port"]))
    return Holding(follows, fields["master_replid"], int(fields["slave_repl_offset"]))
