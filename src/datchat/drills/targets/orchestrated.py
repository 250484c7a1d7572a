"""What targets have in common whose tool brings back by itself what is killed."""

from __future__ import annotations

import asyncio
import shlex
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from typing import ClassVar, Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

from datchat.client.clock import boottime
from datchat.drills.targets import Ability, TargetError, Usage, command
from datchat.drills.targets.door import Doors

DOES: Final = frozenset({Ability.SWITCH, Ability.CUT_FEEDS, Ability.ROLL, Ability.DRAIN})
LOOK_S: Final = 0.3
"""Between two looks at what nobody announces."""
DRAIN_S: Final = 120.0
"""How long a host may take to be empty."""


class Orchestrated(ABC):
    """
    The half of a ``Target`` that doesn't depend on the tool.

    Hosts crash, and are had back, by commands that the user gives: no tool has one for that.
    """

    tool: ClassVar[str]
    """As its own people write it."""
    not_made_for: ClassVar[Mapping[Ability, str]]
    """Why it can't do something, where there is more to say than that it has no command for it."""

    def __init__(self, crash: str | None, restore: str | None) -> None:
        self.url = ""
        self.versions: dict[str, str] = {}
        self._crash = crash
        self._restore = restore
        self._crashed: list[str] = []
        """The hosts that are down now."""
        self._drained: list[str] = []
        """The hosts that take no parts now."""
        self._doors = Doors()

    @property
    def lacks(self) -> Mapping[Ability, str]:
        does = DOES | ({Ability.CRASH} if self._crash and self._restore else set())
        reasons = {Ability.CRASH: "give --crash-command and --restore-command", **self.not_made_for}
        return {a: reasons.get(a, f"{self.tool} has no command for that") for a in Ability if a not in does}

    @abstractmethod
    async def _host_of(self, part: str) -> str:
        """The name of the host that a part is on."""

    async def start(self, *parts: str) -> None:
        return  # the tool has begun to already

    async def pause(self, *parts: str) -> None:
        raise self._unable(Ability.PAUSE, parts)

    unpause = pause

    async def partition(self, *parts: str) -> None:
        raise self._unable(Ability.CUT, parts)

    async def heal(self) -> None:
        return

    async def crash_host_of(self, part: str) -> None:
        if self._crash is None or self._restore is None:
            raise self._unable(Ability.CRASH, (part,))
        host = await self._host_of(part)
        self._crashed.append(host)
        await command.run(self._crash.replace("{host}", shlex.quote(host)))

    async def restore_hosts(self) -> None:
        for host in list(self._crashed):
            if self._restore is not None:
                await command.run(self._restore.replace("{host}", shlex.quote(host)))
            self._crashed.remove(host)

    @abstractmethod
    async def _drain(self, host: str) -> None:
        """Have the tool empty a host, as before its maintenance; done when it is."""

    @abstractmethod
    async def _readmit(self, host: str) -> None:
        """Have the tool use it again."""

    async def drain_host_of(self, part: str) -> None:
        host = await self._host_of(part)
        self._drained.append(host)
        await self._drain(host)

    async def readmit_hosts(self) -> None:
        for host in list(self._drained):
            await self._readmit(host)
            self._drained.remove(host)

    async def close(self) -> None:
        await self._doors.close()

    def _unable(self, ability: Ability, parts: tuple[str, ...]) -> TargetError:
        return TargetError(f"{', '.join(parts)}: {self.lacks[ability]}")


async def until(done: Callable[[], Awaitable[bool]], limit_s: float, sentence: str) -> None:
    """
    Wait until something is so.

    Raises:
        TargetError: It wasn't in time; the sentence tells what is still not so.
    """
    deadline = boottime() + limit_s
    while not await done():
        if boottime() > deadline:
            raise TargetError(f"{sentence} after {limit_s:g} s")
        await asyncio.sleep(LOOK_S)


async def usage_by_metrics(http: httpx.AsyncClient, host: str, port: int) -> Usage | None:
    """What a node says of itself at ``/metrics``; None when it doesn't answer."""
    try:
        text = (await http.get(f"http://{host}:{port}/metrics")).raise_for_status().text
    except httpx.HTTPError:
        return None
    said = {family.name: family.samples[0].value for family in text_string_to_metric_families(text) if family.samples}
    try:
        # In a container every process has the same number: a life is told from another by its start.
        life = int(said["process_start_time_seconds"] * 100)
        return Usage(life, int(said["process_resident_memory_bytes"]), int(said["process_open_fds"]))
    except KeyError:
        return None
