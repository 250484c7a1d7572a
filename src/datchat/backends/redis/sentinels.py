"""
The sentinels of one master's name: what each of them says, and whom most of them hand out.

A connection for questions and one that hears ``+switch-master`` are kept to each sentinel. One that does not answer is
not asked again until its connection stands anew, so that a dead sentinel costs a question nothing.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from datchat.backends.redis import ack
from datchat.backends.redis.backoff import pause_s
from datchat.backends.redis.faults import ReplyFault
from datchat.backends.redis.haste import Haste, alike, whom_to_ask
from datchat.backends.redis.link import CONNECT_S, Link, connect, expect
from datchat.backends.redis.tasks import Tasks
from datchat.backends.redis.topology import ASK_S, Found, prove
from datchat.backends.redis.url import Address, RedisUrl
from datchat.errors import BackendError, ConfigurationError, Unavailable

log = structlog.get_logger("datchat.redis")

_SWITCH = "+switch-master"


class Sentinels:
    """A topology's finder behind Sentinel (``topology.Finder``)."""

    rule = ack.EVERY_PROMOTABLE

    def __init__(self, url: RedisUrl, rng: random.Random) -> None:
        self.access = url.access
        self._own_access = url.sentinel_access
        self._name = url.master_name
        self._haste = Haste() if url.hasten else None
        self._rng = rng
        self._tasks: Tasks | None = None
        self._trigger: Callable[[], None] = lambda: None
        self._posts = {address: _Post(address) for address in url.sentinels}
        self._total = len(url.sentinels)
        """How many sentinels there are, as far as any of them has said."""

    def start(self, tasks: Tasks, trigger: Callable[[], None]) -> None:
        self._tasks = tasks
        self._trigger = trigger
        for post in self._posts.values():
            self._keep(post)

    def close(self) -> None:
        for post in self._posts.values():
            post.cut()

    @property
    def majority(self) -> int:
        return max(self._total, len({post.id for post in self._posts.values() if post.id})) // 2 + 1

    async def ask(self) -> list[ack.Sentinel]:
        """What each says that answers in 250 ms; each sentinel speaks once, by however many names it is known."""
        posts = [post for post in self._posts.values() if post.link is not None and post.link.alive]
        answers = await asyncio.gather(*(self._ask(post) for post in posts))
        voices = {answer.id: answer for answer in answers if answer is not None}
        self._total = max([self._total, *(answer.others + 1 for answer in voices.values())])
        return list(voices.values())

    async def find(self) -> Found:
        await self._wait_for_tries()
        voices = await self.ask()
        if voices and len(voices) < self.majority and await self._discover():
            await self._wait_for_tries()
            voices = await self.ask()
        address = self._elect(voices)
        try:
            link = await connect(address, self.access, ASK_S)
        except Unavailable as error:
            await self._hasten(address, voices, refused=isinstance(error.__cause__, ConnectionRefusedError))
            raise
        try:
            await prove(link)
        finally:
            link.abort()
        if self._haste is not None:
            self._haste.answered()
        replicas = {at for voice in voices if voice.master == address for at in voice.replicas}
        return Found(address, frozenset(replicas - {address}))

    async def _hasten(self, address: Address, voices: Sequence[ack.Sentinel], *, refused: bool) -> None:
        """The master is not there: ask for a failover, when that is what the URL wants and nothing can be lost."""
        if self._haste is None:
            return
        if not refused:
            self._haste.answered()
            return
        now = asyncio.get_running_loop().time()
        if not self._haste.refused(address, now):
            return
        chosen = whom_to_ask(address, voices, self.majority)
        replicas = {at for voice in voices for at in voice.replicas}
        if chosen is None or not await alike(replicas, address, self.access):
            return
        link = next((post.link for post in self._posts.values() if post.id == chosen.id and post.link), None)
        if link is not None:
            self._haste.asked(now)
            try:
                await link.call("SENTINEL", "FAILOVER", self._name, deadline_s=ASK_S)
                log.warning("asked for a failover: the master refuses connections", master=str(address))
            except (ReplyFault, TimeoutError, ConnectionError) as error:
                log.info("a failover was asked for in vain", reason=str(error))

    def _elect(self, voices: Sequence[ack.Sentinel]) -> Address:
        named = Counter(voice.master for voice in voices if voice.master is not None)
        address, count = named.most_common(1)[0] if named else (None, 0)
        if address is not None and count >= self.majority:
            return address
        if not voices:
            for post in self._posts.values():
                if isinstance(post.trouble, ConfigurationError):
                    raise post.trouble
            raise Unavailable(f"no sentinel answers ({self._listed()})")
        if not named:
            raise ConfigurationError(f"no sentinel knows a master named {self._name!r}: mend the store's URL")
        if len(named) > 1:
            told = ", ".join(f"{count} for {at}" for at, count in named.most_common())
            raise Unavailable(f"the sentinels disagree about who is master: {told}")
        raise Unavailable(f"only {count} of {self._total} sentinels answer and name a master")

    def _listed(self) -> str:
        return ", ".join(map(str, self._posts))

    async def _ask(self, post: _Post) -> ack.Sentinel | None:
        link = post.link
        assert link is not None
        questions = [
            ("SENTINEL", question, self._name) for question in ("GET-MASTER-ADDR-BY-NAME", "MASTER", "REPLICAS")
        ]
        try:
            address, master, replicas = await link.pipeline(questions, ASK_S)
        except (TimeoutError, ConnectionError):
            return None
        return _read(post.id, address, master, replicas)

    async def _wait_for_tries(self) -> None:
        waiting = [post.tried for post in self._posts.values() if not post.tried.done()]
        if waiting:
            await asyncio.wait(waiting, timeout=CONNECT_S + ASK_S)

    async def _discover(self) -> bool:
        """Ask for the sentinels that the URL does not name: each of them has a voice. Whether there was a new one."""
        before = len(self._posts)
        for post in list(self._posts.values()):
            if post.link is None or not post.link.alive:
                continue
            try:
                others = await post.link.call("SENTINEL", "SENTINELS", self._name, deadline_s=ASK_S)
            except (ReplyFault, TimeoutError, ConnectionError):
                continue
            for fields in map(_fields, others):
                address = Address(fields["ip"], int(fields["port"]))
                if address not in self._posts and fields["runid"] not in {known.id for known in self._posts.values()}:
                    self._posts[address] = _Post(address)
                    self._keep(self._posts[address])
        return len(self._posts) > before

    # Connections

    def _keep(self, post: _Post) -> None:
        assert self._tasks is not None

        async def run() -> None:
            failures = 0
            while True:
                try:
                    await self._attend(post)
                    failures = 0
                except (BackendError, ConfigurationError) as error:
                    post.trouble = error
                    failures += 1
                post.mark_tried()
                await asyncio.sleep(pause_s(failures, self._rng, base_s=0.1, cap_s=2.0))

        self._tasks.keep(f"sentinel {post.address}", run)

    async def _attend(self, post: _Post) -> None:
        """Keep both connections until either is lost."""
        link, listener = await self._open(post), None
        try:
            post.id = (await link.call("SENTINEL", "MYID", deadline_s=ASK_S)).decode()
            listener = await self._open(post)
            listener.listen(self._hear)
            listener.send("SUBSCRIBE", _SWITCH)
            post.link, post.trouble = link, None
            post.mark_tried()
            await asyncio.wait([link.closed, listener.closed], return_when=asyncio.FIRST_COMPLETED)
        except (ReplyFault, TimeoutError, ConnectionError) as error:
            raise Unavailable(f"the sentinel {post.address} does not answer") from error
        finally:
            post.link = None
            link.abort()
            if listener is not None:
                listener.abort()

    async def _open(self, post: _Post) -> Link:
        link = await connect(post.address, self._own_access)
        try:
            expect(link, "sentinel")
        except ConfigurationError:
            link.abort()
            raise
        return link

    def _hear(self, replies: list[Any]) -> None:
        for reply in replies:
            if isinstance(reply, list) and reply[0] == b"message" and reply[2].split()[0] == self._name.encode():
                self._trigger()


class _Post:
    """One sentinel as it was named; ``id`` tells whether two names are the same sentinel's."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.id = ""
        self.link: Link | None = None
        self.trouble: Exception | None = None
        self.tried: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done once the first try to connect has ended."""

    def mark_tried(self) -> None:
        if not self.tried.done():
            self.tried.set_result(None)

    def cut(self) -> None:
        if self.link is not None:
            self.link.abort()


def _read(sentinel_id: str, address: Any, master: Any, replicas: Any) -> ack.Sentinel:
    """What a sentinel's three answers say. An error reply says that it knows no such master."""
    named = Address(address[0].decode(), int(address[1])) if isinstance(address, list) else None
    if not isinstance(master, list) or not isinstance(replicas, list):
        return ack.Sentinel(sentinel_id, named)
    fields = _fields(master)
    flags = fields.get("flags", "").split(",")
    # One that replaces a master hands out the new one as soon as that is promoted, and tells of the old one until all
    # the others follow: a second in which nobody doubts the new one.
    about_it = named == Address(fields["ip"], int(fields["port"]))
    seen = {}
    for replica in map(_fields, replicas):
        down = bool({"s_down", "o_down"} & set(replica.get("flags", "").split(",")))
        promotable = replica.get("slave-priority") != "0"
        seen[Address(replica["ip"], int(replica["port"]))] = ack.Replica(down, promotable)
    return ack.Sentinel(
        sentinel_id,
        named,
        epoch=int(fields.get("config-epoch", 0)),
        down=about_it and bool({"s_down", "o_down"} & set(flags)),
        failing_over=about_it and "failover_in_progress" in flags,
        unconnected="disconnected" in flags,
        replicas=seen,
        others=int(fields.get("num-other-sentinels", 0)),
    )


def _fields(reply: list[bytes]) -> dict[str, str]:
    return {reply[i].decode(): reply[i + 1].decode() for i in range(0, len(reply), 2)}
