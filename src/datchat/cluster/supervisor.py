"""
Holds the parts' processes: starts, stops, pauses, cuts off, says how they are.

It never looks at them by the clock: the kernel tells it when one ends. What it does to a part stands in the part's log.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from datchat.cluster import probes
from datchat.cluster.files import ERRORS, LOG
from datchat.cluster.listener import listen
from datchat.cluster.member import Member
from datchat.cluster.network import Network
from datchat.cluster.parts import Kind, Part, Plan, State
from datchat.cluster.probes import Silent
from datchat.cluster.process import Process
from datchat.cluster.recipes import recipe_for, stop_limit_s
from datchat.errors import ConfigurationError

READY_S: Final = 15.0
"""How long ``start`` waits for a part to be ready before it says that it isn't."""

START_S: Final = 60.0
"""How long a whole cluster may take to be ready, on a machine that has other things to do."""

LOOK_S: Final = 0.05
"""Between two looks whether a part that was just started is ready."""

RESTART_S: Final = {Kind.REDIS: 5.0}
"""After how long a part that ended by itself is started again, where that is wanted; others after 1 s, then longer."""

ORDER: Final = (Kind.WEB, Kind.HAPROXY, Kind.SENTINEL, Kind.REDIS)
"""In which order a cluster stops: nodes drain before the balancer that leads to them, sentinels don't see Redis go."""

Say = Callable[[str], None]


class Supervisor:
    """
    The parts of one cluster. With ``restarts``, a part that ends without being told is started again.
    """

    def __init__(self, directory: Path, plan: Plan, network: Network, listener: socket.socket, restarts: bool) -> None:
        self.plan = plan
        self._directory = directory
        self._network = network
        self._restarts = restarts
        self._members = {part.name: Member(part) for part in plan.parts}
        self._listener: socket.socket | None = listener
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    # A whole cluster

    async def start_all(self) -> None:
        """
        Start every part and return when all are ready. Nothing of the cluster may run.

        Raises:
            ConfigurationError: A part ended at its start, or did not become ready in time.
        """
        master = self._members[self.plan.master]
        late = [m for m in self._members.values() if m.part.kind in (Kind.REDIS, Kind.SENTINEL) and m is not master]
        for member in self._members.values():
            if member not in late:
                self._spawn(member, first=True)
        # A replica that finds no master tries again only a second later; sentinels would begin to replace it.
        await self._begun(master, lambda: self._ask_role(master))
        for member in late:
            self._spawn(member, first=True)
        async with asyncio.TaskGroup() as group:
            for member in self._members.values():
                group.create_task(self._begun(member, partial(self._check, member, True)))

    async def stop_all(self) -> None:
        """Stop every part, in order, replicas before the master that waits for them."""
        self._closing = True
        for task in self._tasks:
            task.cancel()
        for kind in ORDER:
            members = [member for member in self._members.values() if member.part.kind is kind and member.alive]
            if kind is Kind.REDIS:
                roles = await asyncio.gather(*(self._role(member) for member in members))
                masters = [member for member, role in zip(members, roles, strict=True) if role == "master"]
                await asyncio.gather(*(self._stop(member) for member in members if member not in masters))
                members = masters
            await asyncio.gather(*(self._stop(member) for member in members))

    async def kill_all(self) -> None:
        """End every part at once."""
        self._closing = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*(self._kill(member) for member in self._members.values()))

    # Acts on some parts; each says a line for each part and raises ConfigurationError when it can't be done

    async def start(self, names: Sequence[str], say: Say) -> None:
        """Start parts and wait until they are ready, or say that they aren't yet."""

        async def act(member: Member) -> str:
            async with member.lock:
                if member.alive:
                    return "runs already"
                member.restarts = 0
                self._spawn(member, first=False)
            try:
                await self._until_ready(member, READY_S, lambda: self._check(member, False))
            except Silent as reason:
                return f"started, not ready yet: {reason}"
            return "started"

        await self._each(names, act, say)

    async def stop(self, names: Sequence[str], say: Say) -> None:
        """SIGTERM, and wait until they have ended: a node drains, Redis waits for its replicas."""

        async def act(member: Member) -> str:
            if not member.alive:
                return "is stopped already"
            async with member.lock:
                return await self._stop(member)

        await self._each(names, act, say)

    async def restart(self, names: Sequence[str], say: Say) -> None:
        """Stop and start."""
        await self.stop(names, say)
        await self.start(names, say)

    async def kill(self, names: Sequence[str], say: Say) -> None:
        """SIGKILL. They stay down until they are started."""

        async def act(member: Member) -> str:
            if not member.alive:
                return "is stopped already"
            await self._kill(member)
            return "killed"

        await self._each(names, act, say)

    async def pause(self, names: Sequence[str], say: Say) -> None:
        """SIGSTOP."""
        await self._each(names, lambda member: self._signal(member, signal.SIGSTOP, "paused"), say)

    async def unpause(self, names: Sequence[str], say: Say) -> None:
        """SIGCONT."""
        await self._each(names, lambda member: self._signal(member, signal.SIGCONT, "goes on"), say)

    def cut(self, names: Sequence[str], say: Say) -> None:
        """Cut parts off from the rest while they reach each other."""
        parts = self.plan.chosen(names)
        if len(parts) == len(self.plan.parts):
            raise ConfigurationError("no part would be left on the other side: name fewer")
        self._network.cut([part.name for part in parts])
        together = ", ".join(part.name for part in parts)
        for part in parts:
            self._note(part, f"cut off from all but {together}")
        say(f"{together}: cut off from the rest")

    def heal(self, say: Say) -> None:
        """Undo every cut."""
        healed = [name for group in self._network.cuts() for name in group]
        self._network.heal()
        for name in healed:
            self._note(self.plan.part(name), "reaches the rest again")
        say(f"{', '.join(healed)}: back together" if healed else "nothing is cut off")

    async def listing(self) -> list[dict[str, Any]]:
        """Every part as it is now."""
        roles = await asyncio.gather(*(self._role(member) for member in self._members.values()))
        return [
            {
                "name": member.part.name,
                "kind": str(member.part.kind),
                "state": str(member.state),
                "pid": member.alive.pid if member.alive else None,
                "host": member.part.host,
                "port": member.part.port,
                "role": role,
            }
            for member, role in zip(self._members.values(), roles, strict=True)
        ]

    def cuts(self) -> list[list[str]]:
        """The groups that are cut off from the rest."""
        return self._network.cuts()

    # Internal

    async def _each(self, names: Sequence[str], act: Callable[[Member], Awaitable[str]], say: Say) -> None:
        async def one(member: Member) -> None:
            say(f"{member.part.name} {await act(member)}")

        members = [self._members[part.name] for part in self.plan.chosen(names)]
        outcomes = await asyncio.gather(*(one(member) for member in members), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    def _spawn(self, member: Member, first: bool) -> None:
        part = member.part
        folder = self._directory / part.name
        inherit: tuple[int, ...] = ()
        if part.kind is Kind.HAPROXY:
            self._listener = self._listener or listen(part.host, part.port)
            inherit = (self._listener.fileno(),)
        recipe = recipe_for(part, self.plan, self._directory, first, *inherit or (None,))
        member.told_to_end = False
        try:
            member.process = Process(recipe, folder, folder / LOG, self._network.within(part.name), inherit)
        except OSError as error:
            raise ConfigurationError(f"{part.name} can't be started: {error.strerror or error}") from None
        finally:
            if inherit and self._listener:
                # With a copy here connections to a dead balancer would wait for it, instead of being refused.
                self._listener.close()
                self._listener = None
        member.process.ended.add_done_callback(lambda ended: self._has_ended(member, ended.result()))

    def _has_ended(self, member: Member, code: int) -> None:
        how = f"signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"code {code}"
        self._note(member.part, f"ended with {how}")
        if self._restarts and not member.told_to_end and not self._closing:
            task = asyncio.get_running_loop().create_task(self._start_again(member), name=f"restart {member.part.name}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _start_again(self, member: Member) -> None:
        pause_s = RESTART_S.get(member.part.kind, 0) or min(2.0**member.restarts, 30)
        member.restarts += 1
        await asyncio.sleep(pause_s)
        async with member.lock:
            if not member.alive and not member.told_to_end:
                self._note(member.part, f"started again, {pause_s:g} s after its end")
                self._spawn(member, first=False)

    async def _stop(self, member: Member) -> str:
        if not (process := member.alive):
            return "is stopped already"
        member.told_to_end = True
        process.signal(signal.SIGTERM)
        process.signal(signal.SIGCONT)  # one that is paused hears nothing
        limit_s = stop_limit_s(member.part.kind)
        if await process.wait(limit_s):
            return "stopped"
        process.signal(signal.SIGKILL)
        await process.ended
        return f"killed: it did not stop within {limit_s:g} s"

    async def _kill(self, member: Member) -> None:
        member.told_to_end = True
        if process := member.alive:
            process.signal(signal.SIGKILL)
            await process.ended

    async def _signal(self, member: Member, number: signal.Signals, done: str) -> str:
        if not (process := member.alive):
            raise ConfigurationError(f"{member.part.name} does not run: start it first")
        process.signal(number)
        self._note(member.part, done)
        return done

    async def _begun(self, member: Member, check: Callable[[], Awaitable[None]]) -> None:
        try:
            await self._until_ready(member, START_S, check)
        except Silent as reason:
            raise ConfigurationError(f"{member.part.name} was not ready within {START_S:g} s: {reason}") from None

    async def _until_ready(self, member: Member, limit_s: float, check: Callable[[], Awaitable[None]]) -> None:
        part, process = member.part, member.process
        deadline = asyncio.get_running_loop().time() + limit_s
        while True:
            try:
                await check()
            except Silent as reason:
                if process is None or not process.running:
                    raise ConfigurationError(f"{part.name} ended at its start: {self._last_line(part)}") from None
                if asyncio.get_running_loop().time() > deadline:
                    raise Silent(str(reason)) from None
                # Returns at once when it ends, so that nobody waits for the dead.
                await process.wait(LOOK_S)
            else:
                return

    async def _check(self, member: Member, whole: bool) -> None:
        part = member.part
        network = self._network.within(part.name)
        if part.kind is Kind.REDIS:
            await probes.check_redis(part, network, len(self.plan.of(Kind.REDIS)) - 1 if whole else 0)
        elif part.kind is Kind.SENTINEL:
            await probes.check_sentinel(part, network)
        elif part.kind is Kind.WEB:
            await probes.check_web(part, network)
        else:
            web = [self._members[node.name] for node in self.plan.of(Kind.WEB)]
            wanted = [node.part.name for node in web if whole or node.state is State.RUNNING]
            await probes.check_haproxy(self._directory / part.name, wanted)

    async def _ask_role(self, member: Member) -> None:
        if await self._role(member) is None:
            raise Silent("it has no role yet")

    async def _role(self, member: Member) -> str | None:
        if member.part.kind is not Kind.REDIS or member.state is not State.RUNNING:
            return None
        return await probes.role_of(member.part, self._network.within(member.part.name))

    def _note(self, part: Part, text: str) -> None:
        # Somebody may have removed the directory.
        with contextlib.suppress(OSError), open(self._directory / part.name / LOG, "a") as log:
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            log.write(f"-- {part.name} {text}, {at}\n")

    def _last_line(self, part: Part) -> str:
        lines = []
        for name in (LOG, ERRORS):
            path = self._directory / part.name / name
            lines += path.read_text(errors="replace").splitlines() if path.exists() else []
        said = [line for line in lines if line.strip() and not line.startswith("-- ")]
        return said[-1].strip() if said else "it said nothing"
