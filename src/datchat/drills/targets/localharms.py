"""Harms to the parts of a local cluster (``Harms``): through their networks, their processes, their directories."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from datchat.cluster.parts import Plan
from datchat.drills.targets import Ability, TargetError, clocks, deafness
from datchat.drills.targets.slowdisk import SlowDisk, strace
from datchat.drills.targets.slowlink import DEVICE, SlowLink

_AS_ROOT: Final = "run it as root"


class LocalHarms:
    """
    ``networks`` are the descriptors of the parts' namespaces, none where they share this machine's. ``pid_of`` gives
    the process of a part that runs, ``subscribers`` the connections that hear the feed at the Redis master: each the
    server's address and port, the node's address and port.
    """

    def __init__(
        self,
        plan: Plan,
        networks: Mapping[str, int],
        pid_of: Callable[[str], Awaitable[int]],
        subscribers: Callable[[], Awaitable[Collection[tuple[str, int, str, int]]]],
    ) -> None:
        self._plan = plan
        self._networks = networks
        self._pid_of = pid_of
        self._subscribers = subscribers
        self.clocks: dict[str, Path] = {}
        """Of the parts that were started so that their clocks can be moved, the file by which each goes."""

    @property
    def lacks(self) -> Mapping[Ability, str]:
        lacks: dict[Ability, str] = {}
        if not self._networks:
            lacks |= {Ability.SLOW_LINK: _AS_ROOT, Ability.DEAFEN: _AS_ROOT}
        elif deafness.nft() is None:
            lacks[Ability.DEAFEN] = "nft is missing: apt-get install nftables"
        if self._networks and not os.access(DEVICE, os.R_OK | os.W_OK):
            lacks[Ability.SLOW_LINK] = f"{DEVICE} can't be opened here"
        if os.geteuid() != 0:
            lacks[Ability.SLOW_DISK] = _AS_ROOT
        elif strace() is None:
            lacks[Ability.SLOW_DISK] = "strace is missing: apt-get install strace"
        if clocks.compiler() is None:
            lacks[Ability.JUMP_CLOCK] = f"{clocks.COMPILER} is missing: apt-get install gcc libc6-dev"
        elif not self.clocks:
            lacks[Ability.JUMP_CLOCK] = "its parts go by this machine's clock: leave out --dir"
        return lacks

    @asynccontextmanager
    async def slow_link(self, part: str, delay_s: float) -> AsyncIterator[None]:
        link = SlowLink(self._networks[part], self._plan.part(part).host, delay_s)
        try:
            link.open()
        except OSError as error:
            raise TargetError(f"the link of {part} can't be slowed down: {error}") from error
        try:
            yield
        finally:
            link.close()

    @asynccontextmanager
    async def slow_disk(self, part: str, delay_s: float) -> AsyncIterator[None]:
        disk = SlowDisk(await self._pid_of(part), delay_s)
        try:
            await disk.open()
        except OSError as error:
            raise TargetError(f"the disk of {part} can't be slowed down: {error}") from error
        try:
            yield
        finally:
            await disk.close()

    @asynccontextmanager
    async def deafen(self, node: str) -> AsyncIterator[None]:
        own = self._plan.part(node).host
        heard = [(host, port, at) for host, port, who, at in await self._subscribers() if who == own]
        try:
            await asyncio.to_thread(deafness.deafen, self._networks[node], heard)
        except OSError as error:
            raise TargetError(f"{node} can't be made deaf: {error}") from error
        try:
            yield
        finally:
            try:
                await asyncio.to_thread(deafness.hear_again, self._networks[node])
            except OSError as error:
                raise TargetError(f"{node} can't be made to hear again: {error}") from error

    @asynccontextmanager
    async def jump_clock(self, part: str, by_s: int) -> AsyncIterator[None]:
        clocks.set_off(self.clocks[part], by_s)
        try:
            yield
        finally:
            clocks.set_off(self.clocks[part], 0)
