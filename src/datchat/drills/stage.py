"""Where a scenario plays: the cluster with what can be done to it, each act written down as a fault."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import httpx

from datchat.client.clock import boottime
from datchat.drills.circumstances import Fault
from datchat.drills.targets import Part, Target, TargetError
from datchat.drills.targets.harms import Harmable, Harms
from datchat.drills.workload.crowd import Crowd

LOOK_S: Final = 0.25
WHOLE_S: Final = 90.0
"""How long a cluster may take to be whole again by itself before that is a fault of its own."""


class Unhealed(Exception):
    """The cluster did not become whole; the text says why."""


class Stage:
    """One scenario's view of target and crowd."""

    def __init__(self, target: Target, crowd: Crowd, rng: random.Random, lasts_s: float) -> None:
        self.target = target
        self.crowd = crowd
        self.rng = rng
        self._ends_at = boottime() + lasts_s
        self.doing = "calm"
        """What goes on now, for whoever watches."""
        self.more_readers: Callable[[int], None] = lambda count: None
        """Lets so many further readers in."""

    # The parts, as they are now

    async def master(self) -> str:
        """The Redis server that is master; waits for one."""
        return await self._one("redis", "master", "no Redis server is master")

    async def replicas(self) -> list[str]:
        """The Redis servers that are replicas, in an order of chance."""
        return await self._all("redis", "replica")

    async def nodes(self) -> list[str]:
        """The web nodes, in an order of chance."""
        return await self._all("web")

    async def sentinels(self) -> list[str]:
        """The sentinels, in an order of chance."""
        return await self._all("sentinel")

    async def balancer(self) -> str:
        """The load balancer."""
        return await self._one("haproxy", None, "there is no load balancer")

    async def _all(self, kind: str, role: str | None = None) -> list[str]:
        found = [part.name for part in await self.target.parts() if _is(part, kind, role)]
        self.rng.shuffle(found)
        return found

    async def _one(self, kind: str, role: str | None, missing: str) -> str:
        deadline = boottime() + WHOLE_S
        while len(found := await self._all(kind, role)) != 1:
            if boottime() > deadline:
                raise TargetError(missing)
            await asyncio.sleep(LOOK_S)
        return found[0]

    # Time

    @property
    def left_s(self) -> float:
        """How long the drill is still to last."""
        return self._ends_at - boottime()

    async def hold(self, seconds: float) -> None:
        """Let what is broken be so for a while."""
        await asyncio.sleep(seconds)

    async def whole(self) -> None:
        """
        Wait until the cluster is whole.

        Raises:
            Unhealed: It was not in time.
        """
        deadline = boottime() + WHOLE_S
        seen_well = 0
        while seen_well < 2:
            trouble = await self.target.trouble()
            seen_well = seen_well + 1 if trouble is None else 0
            self.doing = f"healing: {trouble}" if trouble else "calm"
            if trouble is not None and boottime() > deadline:
                raise Unhealed(f"after {WHOLE_S:g} s the cluster was not whole: {trouble}")
            await asyncio.sleep(LOOK_S)

    # Faults

    @asynccontextmanager
    async def killed(self, *parts: str) -> AsyncIterator[None]:
        """Parts are dead meanwhile, and started again after."""
        async with self.fault("kill", *parts):
            await self.target.kill(*parts)
            try:
                yield
            finally:
                await self.target.start(*parts)

    @asynccontextmanager
    async def stopped(self, *parts: str) -> AsyncIterator[None]:
        """Parts are ended in order, and started again after."""
        async with self.fault("stop", *parts):
            await self.target.stop(*parts)
            try:
                yield
            finally:
                await self.target.start(*parts)

    @asynccontextmanager
    async def paused(self, *parts: str) -> AsyncIterator[None]:
        """Parts are frozen meanwhile."""
        async with self.fault("pause", *parts):
            await self.target.pause(*parts)
            try:
                yield
            finally:
                await self.target.unpause(*parts)

    @asynccontextmanager
    async def cut_off(self, *parts: str) -> AsyncIterator[None]:
        """Parts reach each other and nobody else meanwhile."""
        async with self.fault("partition", *parts):
            await self.target.partition(*parts)
            try:
                yield
            finally:
                await self.target.heal()

    @asynccontextmanager
    async def host_crashed(self, part: str) -> AsyncIterator[None]:
        """The host that a part is on is away meanwhile, with all that is on it."""
        async with self.fault("crash", f"the host of {part}"):
            await self.target.crash_host_of(part)
            try:
                yield
            finally:
                await self.target.restore_hosts()

    @asynccontextmanager
    async def host_drained(self, part: str) -> AsyncIterator[None]:
        """The host that a part is on is empty meanwhile."""
        async with self.fault("drain", f"the host of {part}"):
            try:
                await self.target.drain_host_of(part)
                yield
            finally:
                await self.target.readmit_hosts()

    async def roll(self, kind: str) -> None:
        """Have all parts of a kind replaced as for an update; done when the last one is."""
        async with self.fault("roll", f"all of {kind}"):
            await self.target.roll(kind)

    @asynccontextmanager
    async def link_slowed(self, part: str, delay_s: float) -> AsyncIterator[None]:
        """What a part sends is late meanwhile."""
        async with self.fault("slow link", part), self._harms.slow_link(part, delay_s):
            yield

    @asynccontextmanager
    async def disk_slowed(self, part: str, delay_s: float) -> AsyncIterator[None]:
        """A part waits for its disk meanwhile."""
        async with self.fault("slow disk", part), self._harms.slow_disk(part, delay_s):
            yield

    @asynccontextmanager
    async def deafened(self, node: str) -> AsyncIterator[None]:
        """A node hears nothing of the feed meanwhile."""
        async with self.fault("deafen", node), self._harms.deafen(node):
            yield

    @asynccontextmanager
    async def clock_moved(self, part: str, by_s: int) -> AsyncIterator[None]:
        """A part's time of day is off meanwhile."""
        async with self.fault(f"clock {by_s:+d} s", part), self._harms.jump_clock(part, by_s):
            yield

    @property
    def _harms(self) -> Harms:
        if not isinstance(self.target, Harmable):
            raise TargetError(f"{self.target.name} can't do that")
        return self.target.harms

    async def expect_unready(self, node: str, within_s: float) -> None:
        """Have it held against a node if it doesn't say in time that it can't serve."""
        door = await self.target.door(node)
        deadline = boottime() + within_s
        async with httpx.AsyncClient(base_url=door, timeout=within_s, trust_env=False) as http:
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    if (await http.get("/readyz")).status_code == 503:
                        return
                if boottime() > deadline:
                    self.crowd.around.unnoticed.append(
                        f"{self.doing}: {node} did not say within {within_s:g} s that it can't serve"
                    )
                    return
                await asyncio.sleep(LOOK_S)

    @asynccontextmanager
    async def fault(self, kind: str, *parts: str) -> AsyncIterator[None]:
        """Write down that something is done to these parts meanwhile."""
        fault = Fault(kind, ", ".join(parts), boottime())
        self.crowd.around.faults.append(fault)
        self.doing = f"{kind} of {fault.part}"
        try:
            yield
        finally:
            fault.until = boottime()
            self.doing = "healing"

    async def switch_master(self) -> None:
        """Have another server made master, in order, and wait until it is."""
        before = await self.master()
        async with self.fault("switch", before):
            await self.target.switch_master()
            deadline = boottime() + WHOLE_S
            while await self.master() == before:
                if boottime() > deadline:
                    raise TargetError(f"{before} is still master {WHOLE_S:g} s after a switch was asked for")
                await asyncio.sleep(LOOK_S)


def _is(part: Part, kind: str, role: str | None) -> bool:
    return part.kind == kind and (role is None or part.role == role)
