"""
When a batch is safe: what was observed about it in, a verdict out. Pure; the rule is argued in docs/guarantees.md.

A batch ends with ``ROLE, WAIT, ROLE``. It is safe when every replica that could be made master holds it, or when those
that don't are proved to be unfit for it and the sentinels are proved to hold to this master *after* the others had
got it. Anything else is unknown, and the same batch is sent again with the same nonces.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from datchat.backends.redis.url import Address


class Role(NamedTuple):
    """What a server answered to ROLE. ``replicas`` are those attached to a master, with what they have confirmed."""

    master: bool
    offset: int = 0
    replicas: Mapping[Address, int] = {}
    follows: Address | None = None
    connected: bool = False


class Replica(NamedTuple):
    """A replica as a sentinel sees it."""

    down: bool
    promotable: bool
    """Its priority is not 0."""


@dataclass(frozen=True)
class Sentinel:
    """What a sentinel answered about the master's name."""

    id: str
    master: Address | None
    """Whom it hands out: the answer to GET-MASTER-ADDR-BY-NAME, since SENTINEL MASTER is stale during a failover."""
    epoch: int = 0
    down: bool = False
    failing_over: bool = False
    unconnected: bool = False
    """It has no connection to the master."""
    replicas: Mapping[Address, Replica] = field(default_factory=dict)
    others: int = 0
    """How many other sentinels it knows of."""


@dataclass(frozen=True)
class Seen:
    """All that is known about one batch on ``master``."""

    master: Address
    before: Role
    """ROLE after the batch's writes, before WAIT."""
    after: Role
    known: Collection[Address] = ()
    """Replicas of this master that any sentinel has named."""
    deposed: Collection[Address] = ()
    """Those that this node saw deposed less than 30 s ago and not attached since."""
    words: Mapping[Address, Role] | None = None
    """ROLE of the replicas that were asked and answered; None when nobody was asked yet."""
    sentinels: Sequence[Sentinel] | None = None
    """All that answered in time, after ``words`` were heard; None when they weren't asked yet."""
    majority: int = 1
    """How many sentinels make a majority of all there are."""
    accept_degraded: bool = True

    @property
    def have(self) -> frozenset[Address]:
        """The replicas that hold the batch."""
        return frozenset(at for at, offset in self.after.replicas.items() if offset >= self.before.offset)

    @property
    def missing(self) -> frozenset[Address]:
        """The replicas that may not hold it."""
        return (frozenset(self.known) | self.before.replicas.keys() | self.after.replicas.keys()) - self.have


class Acknowledge(NamedTuple):
    """It is safe, on so many servers. ``degraded``: on this one alone, because the others are down."""

    copies: int
    degraded: bool = False


class AskReplicas(NamedTuple):
    """Ask these for their ROLE, then judge again with ``words``."""

    replicas: frozenset[Address]


class AskSentinels(NamedTuple):
    """Ask all sentinels, then judge again with ``sentinels``."""


class Unknown(NamedTuple):
    """It may be lost yet."""

    reason: str


Verdict = Acknowledge | AskReplicas | AskSentinels | Unknown


class Rule(NamedTuple):
    """How to judge, and how many replicas WAIT waits for at most."""

    judge: Callable[[Seen], Verdict]
    waits_for: int = 1000


def _every_promotable(seen: Seen) -> Verdict:
    if not (seen.before.master and seen.after.master):
        return Unknown(f"{seen.master} is no master")
    missing = seen.missing
    if not missing:
        return Acknowledge(1 + len(seen.have))
    if seen.words is None and (unheard := missing - frozenset(seen.deposed)):
        return AskReplicas(unheard)
    if seen.sentinels is None:
        return AskSentinels()
    backing = _backing(seen)
    if len(backing) < seen.majority:
        return Unknown(f"the sentinels do not hold to {seen.master}")
    # Sentinels may hold one down that is back: they try a connection that hangs for 15 s. Another sentinel may see it
    # well, and make it master when it is asked to.
    speaks = frozenset(seen.words or {})
    down = frozenset(at for at in missing - speaks if _agreed(backing, seen, at, lambda replica: replica.down))
    unfit = frozenset(at for at in missing | seen.have if _agreed(backing, seen, at, lambda r: not r.promotable))
    if seen.have - unfit:
        unproved = missing - down - unfit - frozenset(seen.deposed) - _joining(seen)
        if not unproved:
            return Acknowledge(1 + len(seen.have))
        return Unknown(f"{_listed(unproved)} may be without it, and may be made master")
    if missing <= down | unfit:
        if seen.accept_degraded:
            return Acknowledge(1 + len(seen.have), degraded=True)
        return Unknown(f"only {seen.master} is left, and this chat is set to store nothing on one server alone")
    return Unknown(f"no replica has confirmed it, and {_listed(missing - down - unfit)} may be made master")


def _backing(seen: Seen) -> list[Sentinel]:
    """
    The sentinels that hold to this master and see it well; none when one deposes it just now, or when one that is as
    new hands out another.
    """
    answers = seen.sentinels or ()
    agreeing = [s for s in answers if s.master == seen.master and not s.down and not s.failing_over]
    if len(agreeing) < seen.majority:
        return []
    # One that was told to fail over asks nobody, and tells the others when it is done.
    if any(s.master == seen.master and s.failing_over for s in answers):
        return []
    epoch = sorted((s.epoch for s in agreeing), reverse=True)[seen.majority - 1]
    if any(s.master not in (None, seen.master) and s.epoch >= epoch for s in answers):
        return []
    return agreeing


def _agreed(sentinels: Sequence[Sentinel], seen: Seen, at: Address, claim: Callable[[Replica], bool]) -> bool:
    return sum(at in s.replicas and claim(s.replicas[at]) for s in sentinels) >= seen.majority


def _joining(seen: Seen) -> frozenset[Address]:
    """The replicas that say themselves that they follow this master and are not yet connected to it."""
    words = seen.words or {}
    return frozenset(at for at, role in words.items() if role.follows == seen.master and not role.connected)


def _listed(addresses: Collection[Address]) -> str:
    return " and ".join(sorted(map(str, addresses)))


def _alone(seen: Seen) -> Verdict:
    """One server, and nobody who would put another in its place: its own word is all there is."""
    if not (seen.before.master and seen.after.master):
        return Unknown(f"{seen.master} is a replica")
    return Acknowledge(1 + len(seen.have))


def _none(seen: Seen) -> Verdict:
    return Acknowledge(1 + len(seen.have))


def _one(seen: Seen) -> Verdict:
    return Acknowledge(1 + len(seen.have)) if seen.have else Unknown("no replica has confirmed it")


def _fenced(seen: Seen) -> Verdict:
    if not seen.have:
        return Unknown("no replica has confirmed it")
    if seen.sentinels is None:
        return AskSentinels()
    if len(_backing(seen)) < seen.majority:
        return Unknown(f"the sentinels do not hold to {seen.master}")
    return Acknowledge(1 + len(seen.have))


EVERY_PROMOTABLE = Rule(_every_promotable)
"""The promise, behind Sentinel."""
ALONE = Rule(_alone, waits_for=0)
"""The promise of one server: what its own disk keeps."""

# Rules that lose what was acknowledged, for drills that show it.
NONE = Rule(_none, waits_for=0)
ONE = Rule(_one, waits_for=1)
FENCED = Rule(_fenced, waits_for=1)


def parse_role(reply: Any) -> Role:
    """Read the answer to ROLE. Anything but a master or a replica is no master."""
    if not isinstance(reply, list) or not reply:
        return Role(master=False)
    if reply[0] == b"master":
        replicas = {Address(host.decode(), int(port)): int(offset) for host, port, offset in reply[2]}
        return Role(master=True, offset=reply[1], replicas=replicas)
    if reply[0] == b"slave":
        follows = Address(reply[1].decode(), int(reply[2]))
        return Role(master=False, offset=reply[4], follows=follows, connected=reply[3] == b"connected")
    return Role(master=False)
