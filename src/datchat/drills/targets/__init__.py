"""
What a drill breaks: a cluster, whatever runs it.

A target knows its parts by name and what can be done to them. It says nothing of how the chat works inside. Which
targets there are, and what each takes from the command line, stands in ``kinds.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from datchat.errors import DatChatError


class TargetError(DatChatError):
    """The target could not do what it was asked. The drill can't be judged then."""


class Ability(StrEnum):
    """What not every target can do. A scenario says which of it it needs; the text goes on after "can't"."""

    PAUSE = "freeze parts"
    CUT = "cut parts off from each other"
    SWITCH = "have another Redis server made master"
    CUT_FEEDS = "close the nodes' subscriptions"
    BREAK_BALANCER = "break a load balancer"
    CRASH = "crash hosts"
    DRAIN = "drain hosts"
    SLOW_LINK = "slow links down"
    SLOW_DISK = "slow disks down"
    DEAFEN = "keep the feed from a node"
    JUMP_CLOCK = "change the time of day"
    ROLL = "roll a kind of parts as for an update"


@dataclass(frozen=True)
class Part:
    """A part as it is now."""

    name: str
    kind: str
    """``redis``, ``sentinel``, ``web`` or ``haproxy``."""
    state: str
    """``running``, ``paused``, ``stopped`` or ``failed``."""
    role: str | None = None
    """Of a Redis server that answers: ``master`` or ``replica``."""
    host: str | None = None
    """The host that it is on, where there are several."""


class Usage(NamedTuple):
    """What the process of a part takes. Another ``pid`` is another life of it."""

    pid: int
    rss_bytes: int
    descriptors: int | None
    """None where it can't be seen."""


class Target(Protocol):
    """
    A running cluster. Every act returns when it is done, and raises ``TargetError`` when it can't be.
    """

    @property
    def name(self) -> str:
        """What it is, as ``--target`` says."""
        ...

    @property
    def url(self) -> str:
        """Where people reach the chat: the load balancer."""
        ...

    @property
    def lacks(self) -> Mapping[Ability, str]:
        """What it can't do, each with what to do about it or why it is so, to go on after a colon."""
        ...

    @property
    def versions(self) -> Mapping[str, str]:
        """What runs there, and what it runs on."""
        ...

    async def parts(self) -> Sequence[Part]:
        """Every part as it is now."""
        ...

    async def door(self, node: str) -> str:
        """
        The URL of one web node, past the load balancer and past every cut: the place of people who stand beside it.

        It stays the same as long as the cluster lives, also while the node is down.
        """
        ...

    async def trouble(self) -> str | None:
        """
        Why the cluster is not whole: a part that does not run, a server that does not follow, a node that is not
        ready, sentinels that do not agree. None when all is well.
        """
        ...

    async def usage(self, part: str) -> Usage | None:
        """What a part takes; None while it does not run."""
        ...

    async def log(self, part: str) -> str:
        """
        What a part has said, at least since the target was opened.

        A line may begin with the time at which it was said, as RFC 3339 in UTC, and a space. Where it doesn't, times
        within it are taken for this machine's.
        """
        ...

    async def kill(self, *parts: str) -> None:
        """End parts at once (SIGKILL). They stay down, unless whatever runs the cluster brings them back by itself."""
        ...

    async def stop(self, *parts: str) -> None:
        """Have parts end in order (SIGTERM)."""
        ...

    async def start(self, *parts: str) -> None:
        """Start parts that are down; one that was brought back already is left alone."""
        ...

    async def pause(self, *parts: str) -> None:
        """Freeze parts (SIGSTOP): they keep their connections, and say nothing."""
        ...

    async def unpause(self, *parts: str) -> None:
        """Let frozen parts go on."""
        ...

    async def partition(self, *parts: str) -> None:
        """Cut parts off from all others; they reach each other."""
        ...

    async def heal(self) -> None:
        """Undo every cut."""
        ...

    async def switch_master(self) -> None:
        """Begin a planned change of the Redis master (SENTINEL FAILOVER); it is done by itself some time later."""
        ...

    async def cut_feeds(self) -> None:
        """Close every node's subscription at the Redis master."""
        ...

    async def crash_host_of(self, part: str) -> None:
        """End a host at once, with all parts that are on it. Stage calls it only where nothing lacks."""
        ...

    async def restore_hosts(self) -> None:
        """Have every crashed host back."""
        ...

    async def drain_host_of(self, part: str) -> None:
        """Have everything that is on a host end in order, or go elsewhere; done when nothing more is going to."""
        ...

    async def readmit_hosts(self) -> None:
        """Let parts onto every drained host again."""
        ...

    async def roll(self, kind: str) -> None:
        """Have whatever runs the cluster replace all parts of a kind, in the order and at the pace of an update."""
        ...

    async def close(self) -> None:
        """Let go of it; whoever started it takes it down. Closing again is no error."""
        ...
