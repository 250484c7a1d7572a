"""A post is acknowledged as soon as the master has it: what its replicas hold is not asked."""

from __future__ import annotations

from datchat.backends.redis.ack import Acknowledge, Rule
from datchat.backends.redis.sentinels import Sentinels


def plant() -> None:
    Sentinels.rule = Rule(lambda seen: Acknowledge(1 + len(seen.have)), waits_for=0)
