"""
Work that is answered only when it is safe: what waits is one batch, one batch is in flight, and each ends with
``PEXPIRE beat, ROLE, WAIT, ROLE``, on which the ack rule judges.

The beat is a write, so that WAIT has something to speak of even when all else was reading, and one that Redis does not
refuse when its memory is full. So reading that must not show what is unsafe (the barrier) is a batch like any other.

A batch whose fate is unknown is sent again, to whoever is master then, until the work's time is over. All work is
therefore such that doing it twice does no harm: scripts know a nonce or an attempt again.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from datchat.backends.redis import keys, scripts
from datchat.backends.redis.ack import Acknowledge, AskReplicas, AskSentinels, Role, Seen, Unknown, Verdict, parse_role
from datchat.backends.redis.backoff import pause_s
from datchat.backends.redis.batch import MAX_ACTS, MAX_POSTS, Batch, Work, take
from datchat.backends.redis.faults import ReplyFault, passing, translate
from datchat.backends.redis.link import Command, Link, connect, pack
from datchat.backends.redis.topology import Topology, ask_role
from datchat.backends.redis.url import Address
from datchat.errors import BackendError, ConfigurationError, Indeterminate, Unavailable

BATCH_S = 0.7
"""Seconds for one batch and its proof."""
WAIT_MS = 300
"""Milliseconds that the replicas have to confirm it."""
MAX_WAITING = 20_000
"""Works that wait. Overflow policy: refuse, nothing is stored."""
MOST = MAX_POSTS + MAX_ACTS
BEAT_MS = 10 * 365 * 86_400_000

_BEAT: Command = ("PEXPIRE", keys.BEAT, BEAT_MS)
_ROLE: Command = ("ROLE",)


class Safety(Protocol):
    """Is told how batches fare (``state.StoreWatch``)."""

    def acknowledged(self, master: Address, copies: int, degraded: bool) -> None: ...

    def struggling(self, reason: str) -> None: ...


class Pipeline:
    """A queue of works, and the connection of its own that carries them out."""

    def __init__(self, topology: Topology, safety: Safety, rng: random.Random, *, accept_degraded: bool = True) -> None:
        self._topology = topology
        self._rule = topology.finder.rule
        self._safety = safety
        self._rng = rng
        self._accept_degraded = accept_degraded
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Work] = deque()
        self._batch: list[Work] = []
        """Sent, and of unknown fate."""
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._link: Link | None = None
        self._attached: frozenset[Address] = frozenset()
        """The replicas attached at the last look."""
        self._excused: frozenset[Address] = frozenset()
        """Those without which the last batch was safe: WAIT need not wait for them."""
        self._mute: frozenset[Address] = frozenset()
        """Those of them that did not answer when asked: not asked again while the sentinels answer for them."""
        self._most = MOST
        """Works in the next batch at most: fewer after one that was not done in time."""
        self._reason = "the store did not confirm in time"
        """Why the batch under way is not safe yet."""
        self._closed = False

    def submit(self, work: Work) -> None:
        """
        Queue a work; its waiter gets the answer.

        Raises:
            Unavailable: Too many wait, or there has been no master for long.
        """
        if self._closed:
            raise Unavailable("the store is closed")
        if len(self._queue) >= MAX_WAITING:
            raise Unavailable("the store is busy")
        self._topology.check_hope()
        self._queue.append(work)
        self._idle.clear()
        self._news.set()

    async def close(self) -> None:
        """Take nothing new, and finish what is under way as long as its time lasts; what is safe is told."""
        self._closed = True
        await self._idle.wait()
        if self._link is not None and self._link.alive:
            with suppress(TimeoutError, ConnectionError):
                await self._link.pipeline([("PING",)], BATCH_S)

    async def run(self) -> None:
        """Carry out what waits, for ever. A failure loses nothing: it goes on where it stood."""
        failures = 0
        try:
            while True:
                if not self._batch and not self._queue:
                    self._idle.set()
                    self._news.clear()
                    await self._news.wait()
                verdict = await self._turn()
                if isinstance(verdict, Acknowledge):
                    failures = 0
                    continue
                if isinstance(verdict, Unknown):
                    self._reason = verdict.reason
                    self._safety.struggling(verdict.reason)
                await asyncio.sleep(pause_s(failures, self._rng, base_s=0.01, cap_s=0.1))
                failures += 1
        finally:
            if self._link is not None:
                self._link.abort()

    async def _turn(self) -> Verdict | None:
        """One try of one batch; None when there was nothing to try."""
        link = await self._ready()
        self._expire()
        if link is None:
            return None
        waiting = deque(self._batch) if self._batch else self._queue
        self._batch, batch = take(waiting, self._most)
        if waiting is not self._queue:
            self._queue.extendleft(reversed(waiting))
        if not self._batch:
            return None
        for work in self._batch:
            work.sent = True
        try:
            return await self._try(link, batch)
        except (TimeoutError, ConnectionError, ReplyFault) as error:
            link.abort()
            # It may have been more than can be done in time.
            self._most = max(1, len(self._batch) // 2)
            return self._doubt(str(translate(error, link.address, sent=True)), link)

    async def _ready(self) -> Link | None:
        """A connection to the master, with the scripts loaded; None when there is none for now."""
        try:
            async with asyncio.timeout_at(self._first_end()):
                master = await self._topology.master()
        except TimeoutError:
            return None
        if self._link is not None and self._link.alive and self._link.address == master:
            return self._link
        if self._link is not None:
            self._link.abort()
        try:
            self._link = link = await connect(master, self._topology.finder.access)
            await scripts.load(link)
            role = parse_role(await link.call("ROLE", deadline_s=BATCH_S))
        except (BackendError, ConfigurationError, TimeoutError, ConnectionError, ReplyFault) as error:
            self._reason = str(translate(error, master, sent=False))
            self._topology.doubt(self._reason, master)
            return None
        self._attached, self._excused = frozenset(role.replicas), frozenset()
        return link

    def _first_end(self) -> float:
        """When the time of the first work is over."""
        first = min((work.until for work in self._batch), default=None)
        return first if first is not None else self._queue[0].until

    def _expire(self) -> None:
        """Answer those whose time is over, and forget those that nobody waits for any more."""
        now = self._loop.time()
        for work in self._batch:
            self._end(work, now)
        self._batch = [work for work in self._batch if not work.waiter.done()]
        while self._queue and self._end(self._queue[0], now):
            self._queue.popleft()

    def _end(self, work: Work, now: float) -> bool:
        """Whether a work is over; answers it when its time is."""
        if work.until <= now and not work.waiter.done():
            reason = self._topology.reason if not self._topology.settled else self._reason
            work.waiter.set_exception((Indeterminate if work.sent and work.writes else Unavailable)(reason))
        return work.waiter.done()

    def _doubt(self, reason: str, link: Link) -> Unknown:
        self._topology.doubt(reason, link.address)
        self._excused = self._mute = frozenset()
        return Unknown(reason)

    # One batch

    async def _try(self, link: Link, batch: Batch) -> Verdict:
        proof: list[Command] = [_BEAT, _ROLE, self._wait(self._attached), _ROLE]
        replies = await link.exchange(batch.data + pack(proof), batch.count + len(proof), BATCH_S)
        if any(map(scripts.missing, replies)):
            await scripts.load(link)
            return Unknown("the server had lost its scripts")
        fault = next((reply for reply in replies if passing(reply)), None)
        if fault is None and isinstance(replies[-4], ReplyFault):
            # Nothing can be proved; why, the works' own answers may not say.
            fault = replies[-4]
        if fault is not None:
            return self._doubt(str(translate(fault, link.address, sent=True)), link)
        if replies[-4] == 0:
            # Somebody has removed it: the next try proves.
            link.forget([("SET", keys.BEAT, 1)])
            return Unknown("the beat was missing")
        before, after = parse_role(replies[-3]), parse_role(replies[-1])
        self._attached = frozenset(after.replicas)
        seen = Seen(link.address, before, after, accept_degraded=self._accept_degraded)
        if seen.missing & self._attached - self._excused and self._rule.waits_for:
            # One that came after the last look has had no time yet.
            _, again = await link.pipeline([self._wait(self._attached), _ROLE], BATCH_S)
            seen = replace(seen, after=parse_role(again))
        return await self._conclude(seen, link, replies, batch)

    def _wait(self, attached: frozenset[Address]) -> Command:
        return ("WAIT", min(len(attached - self._excused), self._rule.waits_for), WAIT_MS)

    async def _conclude(self, seen: Seen, link: Link, replies: list[object], batch: Batch) -> Verdict:
        topology = self._topology
        if topology.current != link.address:
            return self._doubt(f"{link.address} is master no more", link)
        topology.attached(seen.after.replicas)
        seen = replace(seen, known=frozenset(topology.known), deposed=topology.deposed())
        verdict, seen = await self._judge(seen)
        if not isinstance(verdict, Acknowledge):
            assert isinstance(verdict, Unknown)
            return self._doubt(verdict.reason, link)
        self._excused = seen.missing
        self._mute = seen.missing - frozenset(seen.words or ())
        self._batch = []
        self._most = min(MOST, 2 * self._most)
        batch.settle(replies, verdict.copies, link)
        self._safety.acknowledged(link.address, verdict.copies, verdict.degraded)
        return verdict

    async def _judge(self, seen: Seen) -> tuple[Verdict, Seen]:
        """Ask until the rule has a verdict."""
        finder = self._topology.finder
        while True:
            verdict = self._rule.judge(seen)
            if isinstance(verdict, AskReplicas):
                seen = replace(seen, words=await self._hear(verdict.replicas - self._mute))
            elif isinstance(verdict, AskSentinels):
                voices = await finder.ask()
                seen = replace(seen, sentinels=voices, majority=finder.majority)
            else:
                return verdict, seen

    async def _hear(self, replicas: Iterable[Address]) -> dict[Address, Role]:
        """ROLE of those that answer."""
        asked = list(replicas)
        answers = await asyncio.gather(*(ask_role(at, self._topology.finder.access) for at in asked))
        return {at: role for at, role in zip(asked, answers, strict=True) if role is not None}
