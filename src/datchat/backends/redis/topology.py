"""
Who is master: looked up again whenever anybody is in doubt, never taken from one voice alone.

A doubt starts the look-up (``Finder.find``), which is repeated with growing pauses until a master is found and its own
ROLE agrees. Whoever needs a master waits for ``master``. A message that the master was switched only makes the
look-up hurry.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple, Protocol

import structlog

from datchat.backends.redis import ack, keys, scripts
from datchat.backends.redis.ack import Role, parse_role
from datchat.backends.redis.backoff import pause_s
from datchat.backends.redis.faults import ReplyFault, translate
from datchat.backends.redis.link import Link, connect, expect
from datchat.backends.redis.tasks import Tasks
from datchat.backends.redis.url import Access, Address
from datchat.chat.model import GENESIS, LOBBY
from datchat.errors import BackendError, ConfigurationError, Unavailable

log = structlog.get_logger("datchat.redis")

ASK_S = 0.25
"""Seconds that a server or sentinel has to answer a question."""
START_S = 2.0
"""Seconds for which a node that starts looks for its store before it goes on without."""
DEPOSED_S = 30.0
"""Seconds for which a deposed master is known not to be made master again (guarantees.md)."""
PATIENCE_S = 10.0
"""Seconds without a master after which nobody waits for one any more."""
TEND_S = 5.0
"""Seconds between two looks at what the sentinels say while nobody is in doubt."""
SCHEMA = 1


class Found(NamedTuple):
    """What a look-up came to. ``replicas`` are all that any sentinel names as this master's."""

    address: Address
    replicas: frozenset[Address] = frozenset()


class Finder(Protocol):
    """Where to look: one server (``Server``), or Sentinel (``sentinels.Sentinels``)."""

    access: Access
    rule: ack.Rule

    @property
    def majority(self) -> int:
        """How many sentinels make a majority."""
        ...

    def start(self, tasks: Tasks, trigger: Callable[[], None]) -> None:
        """Begin to listen; ``trigger`` is to be called when the master may have been switched."""
        ...

    async def find(self) -> Found:
        """
        The master whose own ROLE says so.

        Raises:
            Unavailable: There is none now.
            ConfigurationError: There will be none as things are.
        """
        ...

    async def ask(self) -> list[ack.Sentinel]:
        """What the sentinels say that answer in time."""
        ...

    def close(self) -> None: ...


class Server:
    """A topology of one server. What replicas it may have is not our concern: nobody promotes them."""

    rule = ack.ALONE
    majority = 1

    def __init__(self, address: Address, access: Access) -> None:
        self.access = access
        self._address = address

    def start(self, tasks: Tasks, trigger: Callable[[], None]) -> None:
        pass

    async def find(self) -> Found:
        link = await connect(self._address, self.access)
        try:
            await prove(link)
        finally:
            link.abort()
        return Found(self._address)

    async def ask(self) -> list[ack.Sentinel]:
        return []

    def close(self) -> None:
        pass


async def prove(link: Link) -> None:
    """
    Return when the server is a master whose database is ours; an empty one is made ours.

    Raises:
        Unavailable: It is no master, or not ready.
        ConfigurationError: It is something else, or holds something else.
    """
    expect(link, "standalone")
    try:
        role = parse_role(await link.call("ROLE", deadline_s=ASK_S))
        if role.master:
            settle = ("EVAL", scripts.SETTLE.source, 4, keys.SCHEMA, keys.BEAT, keys.room(LOBBY), keys.ROOMS)
            said = await link.call(*settle, SCHEMA, LOBBY, "Lobby", GENESIS, deadline_s=ASK_S)
    except (ReplyFault, TimeoutError, ConnectionError) as error:
        raise translate(error, link.address, sent=False) from error
    if not role.master:
        follows = f" of {role.follows}" if role.follows else ""
        raise Unavailable(f"{link.address} is a replica{follows}: the store's URL wants the master")
    if said == b"foreign":
        raise ConfigurationError(
            f"the database at {link.address} holds keys that are not Dat Chat's: give it an empty one, as in "
            f"redis://{link.address}/1"
        )
    if said != b"ok":
        raise ConfigurationError(f"the database at {link.address} has version {said.decode()}: update this node")


async def ask_role(address: Address, access: Access) -> Role | None:
    """What a server says of itself, None when it doesn't answer in 250 ms."""
    try:
        async with asyncio.timeout(ASK_S):
            link = await connect(address, access, ASK_S)
            try:
                return parse_role(await link.call("ROLE", deadline_s=ASK_S))
            finally:
                link.abort()
    except Exception:
        # Whatever it was: it has not said what would count.
        return None


class Topology:
    """The master of the hour. ``reason`` says why there is none, or why it is in doubt."""

    def __init__(self, finder: Finder, tasks: Tasks, rng: random.Random) -> None:
        self.finder = finder
        self.reason = "the store has not been reached yet"
        self.current: Address | None = None
        self.known: set[Address] = set()
        """Replicas of the current master that any sentinel has named, or that were attached."""
        self.on_doubt: Callable[[str], None] = lambda reason: None
        self.on_found: Callable[[Address], None] = lambda address: None
        self._tasks = tasks
        self._rng = rng
        self._loop = asyncio.get_running_loop()
        self._deposed: dict[Address, float] = {}
        self._doubted = asyncio.Event()
        self._settled = asyncio.Event()
        self._hurry = asyncio.Event()
        self._without_since = self._loop.time() - PATIENCE_S
        """Since when there is no master; at the start nobody need wait."""

    async def start(self) -> None:
        """
        Look for two seconds, and from then on whenever there is a doubt.

        Raises:
            ConfigurationError: As ``Finder.find``: nothing but the operator mends it.
        """
        self.finder.start(self._tasks, lambda: self.doubt("the master was switched"))
        failures, until = 0, self._loop.time() + START_S
        while not self.settled:
            try:
                self._adopt(await self.finder.find())
            except BackendError as error:
                self.reason = str(error)
                failures += 1
                if self._loop.time() >= until:
                    self._doubted.set()
                    break
                await asyncio.sleep(pause_s(failures, self._rng, cap_s=0.5))
        self._tasks.keep("look-up", self._look)
        self._tasks.keep("sentinels", self._tend)

    @property
    def settled(self) -> bool:
        """Whether there is a master that nobody doubts."""
        return self._settled.is_set()

    def check_hope(self) -> None:
        """
        Raises:
            Unavailable: There has been no master for so long that there is no point in waiting.
        """
        if not self.settled and self._loop.time() - self._without_since >= PATIENCE_S:
            raise Unavailable(self.reason)

    async def master(self) -> Address:
        """The master, once nobody is in doubt. Waits for ever."""
        await self._settled.wait()
        assert self.current is not None
        return self.current

    def doubt(self, reason: str, about: Address | None = None) -> None:
        """The master may be none, or another; nothing, when ``about`` is not the current one any more."""
        if about is not None and about != self.current:
            return
        self._hurry.set()
        if self._settled.is_set():
            self._settled.clear()
            self._without_since = self._loop.time()
            self.reason = reason
            self.on_doubt(reason)
        self._doubted.set()

    def attached(self, replicas: Iterable[Address]) -> None:
        """These replicas were seen attached to the current master."""
        for address in replicas:
            self._deposed.pop(address, None)
            self.known.add(address)

    def deposed(self) -> Collection[Address]:
        """Those that were deposed less than 30 s ago and not attached since."""
        now = self._loop.time()
        return [address for address, at in self._deposed.items() if now - at < DEPOSED_S]

    async def _look(self) -> None:
        while True:
            await self._doubted.wait()
            failures = 0
            while not self._settled.is_set():
                self._hurry.clear()
                try:
                    self._adopt(await self.finder.find())
                except (BackendError, ConfigurationError) as error:
                    self.reason = str(error)
                    failures += 1
                    await self._pause(failures)
            self._doubted.clear()

    async def _pause(self, failures: int) -> None:
        # A failover takes seconds: look often while it may be one, and seldom when nobody waits any more.
        lost_s = self._loop.time() - self._without_since
        cap_s = 0.2 if lost_s < PATIENCE_S else 2.0
        try:
            async with asyncio.timeout(pause_s(failures, self._rng, base_s=0.05, cap_s=cap_s)):
                await self._hurry.wait()
            # Several may hurry us at once; what they have to tell takes a moment.
            await asyncio.sleep(0.01)
        except TimeoutError:
            pass

    def _adopt(self, found: Found) -> None:
        before, self.current = self.current, found.address
        if before != found.address:
            self.known = set()
        self.known |= found.replicas
        if before is not None and before != found.address:
            self._deposed[before] = self._loop.time()
            self.known.add(before)
            log.warning("reconnecting to new redis master", master=str(found.address), before=str(before))
        self._deposed.pop(found.address, None)
        self._settled.set()
        self.on_found(found.address)

    async def _tend(self) -> None:
        """Hear from time to time what the sentinels say, in case that a message of theirs was lost."""
        while True:
            await asyncio.sleep(TEND_S)
            voices = await self.finder.ask()
            for voice in voices:
                if voice.master == self.current:
                    self.known.update(at for at in voice.replicas if at != self.current)
            others = [voice for voice in voices if voice.master not in (None, self.current)]
            if len(others) >= self.finder.majority:
                self.doubt(f"the sentinels name {others[0].master} as master")
