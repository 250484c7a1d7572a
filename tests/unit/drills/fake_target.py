"""A target that is only a list of parts: it keeps what was done to it, and changes as the real ones do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from datchat.drills.targets import Ability, Part, TargetError, Usage

ROLES = {"redismaster": "master", "redisslave": "replica", "redisslave2": "replica"}
KINDS = {
    **dict.fromkeys(ROLES, "redis"),
    **dict.fromkeys(("redissentinel", "redissentinel2", "redissentinel3"), "sentinel"),
    **dict.fromkeys(("web0", "web1", "web2"), "web"),
    "haproxy": "haproxy",
}


class FakeTarget:
    """A ``Target``. ``acts`` holds what was done, in order; ``needed`` what it had to be able to do for it."""

    name = "fake"
    url = "http://127.0.0.1:1"
    versions: Mapping[str, str] = {}

    def __init__(self, *lacks: Ability) -> None:
        self.lacks = dict.fromkeys(lacks, "it is not made for that")
        self.acts: list[tuple[str, ...]] = []
        self.needed: set[Ability] = set()
        self.states = dict.fromkeys(KINDS, "running")
        self.roles = dict(ROLES)
        self.cuts: tuple[str, ...] = ()
        self.ill: str | None = None
        """What ``trouble`` says although everything runs."""
        self.harms = FakeHarms(self)
        self.doors: dict[str, str] = {}
        """Where nodes can be reached, if anybody is there."""
        self.hosts: dict[str, str] = {}
        """Which part is on which host, if that can be seen."""

    async def parts(self) -> Sequence[Part]:
        return [
            Part(name, kind, self.states[name], self._role(name), self.hosts.get(name)) for name, kind in KINDS.items()
        ]

    def _role(self, name: str) -> str | None:
        return self.roles.get(name) if self.states[name] == "running" else None

    async def door(self, node: str) -> str:
        return self.doors.get(node, f"http://127.0.0.1:1/{node}")

    async def trouble(self) -> str | None:
        for name, state in self.states.items():
            if state != "running":
                return f"{name} is {state}"
        return self.ill or (f"{', '.join(self.cuts)}: cut off" if self.cuts else None)

    async def usage(self, part: str) -> Usage | None:
        return Usage(1, 2**20, 10)

    async def log(self, part: str) -> str:
        return ""

    async def kill(self, *parts: str) -> None:
        if "haproxy" in parts:
            self._need(Ability.BREAK_BALANCER)
        self._put("kill", parts, "stopped")

    async def stop(self, *parts: str) -> None:
        if "haproxy" in parts:
            self._need(Ability.BREAK_BALANCER)
        self._put("stop", parts, "stopped")

    async def start(self, *parts: str) -> None:
        self._put("start", parts, "running")

    async def pause(self, *parts: str) -> None:
        self._need(Ability.PAUSE)
        self._put("pause", parts, "paused")

    async def unpause(self, *parts: str) -> None:
        self._put("unpause", parts, "running")

    async def partition(self, *parts: str) -> None:
        self._need(Ability.CUT)
        self.acts.append(("partition", *parts))
        self.cuts = parts

    async def heal(self) -> None:
        self.acts.append(("heal",))
        self.cuts = ()

    async def switch_master(self) -> None:
        self._need(Ability.SWITCH)
        self.acts.append(("switch_master",))
        names = list(self.roles)
        masters = [name for name in names if self.roles[name] == "master"]
        following = names[(names.index(masters[0]) + 1) % len(names)]
        self.roles = {name: "master" if name == following else "replica" for name in names}

    async def cut_feeds(self) -> None:
        self._need(Ability.CUT_FEEDS)
        self.acts.append(("cut_feeds",))

    async def crash_host_of(self, part: str) -> None:
        self._need(Ability.CRASH)
        self._put("crash_host_of", [part], "failed")

    async def restore_hosts(self) -> None:
        crashed = [part for part, state in self.states.items() if state == "failed"]
        self._put("restore_hosts", crashed, "running")

    async def drain_host_of(self, part: str) -> None:
        self._need(Ability.DRAIN)
        self._put("drain_host_of", [part], "stopped")

    async def readmit_hosts(self) -> None:
        drained = [part for part, state in self.states.items() if state == "stopped"]
        self._put("readmit_hosts", drained, "running")

    async def roll(self, kind: str) -> None:
        self._need(Ability.ROLL)
        self.acts.append(("roll", kind))

    async def close(self) -> None:
        self.acts.append(("close",))

    def _need(self, ability: Ability) -> None:
        self.needed.add(ability)
        if ability in self.lacks:
            raise TargetError(f"it can't {ability.value}")

    def _put(self, act: str, parts: Sequence[str], state: str) -> None:
        self.acts.append((act, *parts))
        for part in parts:
            self.states[part] = state


class FakeHarms:
    """Does harm to the parts of a ``FakeTarget``, which is in trouble meanwhile."""

    lacks: Mapping[Ability, str] = {}

    def __init__(self, target: FakeTarget) -> None:
        self._target = target

    def slow_link(self, part: str, delay_s: float) -> AbstractAsyncContextManager[None]:
        return self._harm(Ability.SLOW_LINK, "slow_link", part, str(delay_s))

    def slow_disk(self, part: str, delay_s: float) -> AbstractAsyncContextManager[None]:
        return self._harm(Ability.SLOW_DISK, "slow_disk", part, str(delay_s))

    def deafen(self, node: str) -> AbstractAsyncContextManager[None]:
        return self._harm(Ability.DEAFEN, "deafen", node)

    def jump_clock(self, part: str, by_s: int) -> AbstractAsyncContextManager[None]:
        return self._harm(Ability.JUMP_CLOCK, "jump_clock", part, str(by_s))

    @asynccontextmanager
    async def _harm(self, ability: Ability, *act: str) -> AsyncIterator[None]:
        self._target._need(ability)
        self._target.acts.append(act)
        self._target.ill = " ".join(act)
        try:
            yield
        finally:
            self._target.ill = None


class HarmlessTarget(FakeTarget):
    """One whose parts can only be ended and cut off."""

    harms: FakeHarms

    def __init__(self, *lacks: Ability) -> None:
        super().__init__(*lacks)
        del self.harms
