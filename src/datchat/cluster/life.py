"""The life of a supervisor's process, from the claim on its directory to the last file."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import structlog

from datchat.cluster.control import Request, serve_control
from datchat.cluster.files import write_files
from datchat.cluster.kernel import IN_ATTRIB, watch_file, watch_files
from datchat.cluster.layout import lay_out
from datchat.cluster.listener import listen
from datchat.cluster.network import Network, open_network
from datchat.cluster.parts import load_plan, save_plan
from datchat.cluster.place import LOCK, SOCKET, clear, remove
from datchat.cluster.recipes import require_binaries
from datchat.cluster.supervisor import Say, Supervisor
from datchat.cluster.wish import Wish
from datchat.errors import ConfigurationError

log = structlog.get_logger("datchat.cluster")

Report = Callable[[dict[str, Any]], None]


async def live(wish: Wish, report: Report, lifeline: int | None) -> None:
    """
    Bring a cluster up in a directory that is claimed, and hold it until it is told to end: by ``down``, by a signal, or
    by the end of whoever holds the other end of ``lifeline``.

    ``report`` is told ``laid`` once the files are there, ``note`` what is less than hoped for, ``ready`` at last.

    Raises:
        ConfigurationError: It can't be brought up; nothing of it runs.
    """
    began = time.monotonic()
    clear(wish.directory)
    before = load_plan(wish.directory)
    require_binaries()
    listener = listen(wish.host, wish.port)
    network, note = open_network(wish.network)
    try:
        try:
            plan = lay_out(wish, network, listener.getsockname()[1], before)
        except OSError as error:
            raise ConfigurationError(
                f"the parts' networks can't be set up ({error.strerror}): try --network loopback"
            ) from None
        write_files(wish.directory, plan)
        save_plan(wish.directory, plan)
        report({"laid": True})
        if note:
            report({"note": note})
        supervisor = Supervisor(wish.directory, plan, network, listener, wish.restart)
        await _Life(wish, supervisor, network).run(
            lambda: report(_ready(supervisor, time.monotonic() - began)), lifeline
        )
    finally:
        listener.close()
        network.close()


def _ready(supervisor: Supervisor, took_s: float) -> dict[str, Any]:
    plan = supervisor.plan
    return {"ready": {"url": plan.url, "parts": len(plan.parts), "took_s": round(took_s, 1)}}


class _Life:
    def __init__(self, wish: Wish, supervisor: Supervisor, network: Network) -> None:
        self._wish = wish
        self._supervisor = supervisor
        self._network = network
        self._over = asyncio.Event()
        self._ended = asyncio.Event()
        self._removing = False
        self._watch = -1

    async def run(self, announce: Callable[[], None], lifeline: int | None) -> None:
        self._listen_for_the_end(lifeline)
        server = await serve_control(self._wish.directory, self._handle)
        over = asyncio.create_task(self._over.wait(), name="over")
        start = asyncio.create_task(self._supervisor.start_all(), name="start")
        try:
            await asyncio.wait([start, over], return_when=asyncio.FIRST_COMPLETED)
            if start.done():
                _settle(start)
                log.info("ready")
                announce()
                await over
        except BaseException:
            await self._supervisor.kill_all()
            raise
        finally:
            for task in (start, over):
                task.cancel()
            await asyncio.wait([start, over])
            await self._supervisor.stop_all()
            server.close()
            await self._tidy()

    async def _tidy(self) -> None:
        asyncio.get_running_loop().remove_reader(self._watch)
        (self._wish.directory / SOCKET).unlink(missing_ok=True)
        self._network.close()
        if self._removing:
            remove(self._wish.directory)
        self._ended.set()
        # Whoever asked for the end is told so now.
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=1)

    def _listen_for_the_end(self, lifeline: int | None) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._over.set)
        if lifeline is not None:

            def cut() -> None:
                loop.remove_reader(lifeline)
                self._over.set()

            loop.add_reader(lifeline, cut)
        # Without its directory nobody can tell it anything any more.
        self._watch = watch_files()
        watch_file(self._watch, self._wish.directory / LOCK, IN_ATTRIB)
        loop.add_reader(self._watch, self._see_the_lock)

    def _see_the_lock(self) -> None:
        os.read(self._watch, 65536)
        if not (self._wish.directory / LOCK).exists():
            self._over.set()

    async def _handle(self, request: Request, say: Say) -> Any:
        supervisor, names = self._supervisor, request.names
        if request.do != "ps":
            log.info(request.do, names=" ".join(names))
        match request.do:
            case "ps":
                return {"parts": await supervisor.listing(), "cuts": supervisor.cuts()}
            case "start" | "stop" | "restart" | "kill" | "pause" | "unpause":
                supervisor.plan.chosen(names)  # a wrong name is told before anything is done
                await getattr(supervisor, request.do)(names, say)
            case "partition":
                supervisor.cut(names, say)
            case "heal":
                supervisor.heal(say)
            case "down":
                self._removing = not request.keep_data
                self._over.set()
                await self._ended.wait()
            case _:
                raise ConfigurationError(f"this cluster runs an older Dat Chat that knows no {request.do!r}")
        return None


def _settle(start: asyncio.Task[None]) -> None:
    """Raise the one sentence that says why the start failed."""
    try:
        start.result()
    except BaseExceptionGroup as group:
        known = group.subgroup(ConfigurationError)
        if known is None:
            raise
        raise ConfigurationError(str(_first(known))) from None


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    leaf: BaseException = group
    while isinstance(leaf, BaseExceptionGroup):
        leaf = leaf.exceptions[0]
    return leaf
