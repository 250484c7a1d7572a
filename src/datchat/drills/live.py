"""What one sees while a drill runs: a picture that moves on a terminal, plain lines elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Protocol, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from datchat.client.clock import boottime
from datchat.drills.glimpse import Glimpse, glimpse
from datchat.drills.run import Drill

LOOK_S: Final = 0.25
SAY_S: Final = 5.0
"""Without a terminal a line comes when something else goes on, and after this time in any case."""


class View(Protocol):
    """Shows how a drill stands."""

    def show(self, drill: Drill, now: Glimpse) -> None: ...


class Lines:
    """A line whenever something else goes on, and now and then in between."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._doing = ""
        self._said_at = 0.0

    def show(self, drill: Drill, now: Glimpse) -> None:
        at = boottime()
        if drill.doing == self._doing and at - self._said_at < SAY_S:
            return
        self._doing, self._said_at = drill.doing, at
        elapsed_s = at - drill.record.began
        anomalies = f", {now.anomalies} anomalies so far" if now.anomalies else ""
        self._out.write(
            f"{elapsed_s:6.1f} s  {drill.doing}; {now.acknowledged} of {now.attempted} posts acknowledged, "
            f"{now.rate:.0f} in the last second{anomalies}\n"
        )
        self._out.flush()


class Picture:
    """Progress, rates, the fault of the moment, anomalies so far."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, drill: Drill, now: Glimpse) -> None:
        self._live.update(picture(drill, now, boottime()), refresh=True)


def picture(drill: Drill, now: Glimpse, at: float) -> Group:
    """The picture at a moment."""
    elapsed_s = at - drill.record.began
    calm = drill.doing in ("calm", "people arrive")
    head = Text.assemble((drill.scenario.name, "bold"), "  ", (drill.doing, "" if calm else "bold yellow"))
    table = Table.grid(padding=(0, 2))
    table.add_row(
        f"{elapsed_s:.0f} s",
        f"{now.rate:.0f} posts/s",
        f"{now.acknowledged} of {now.attempted} acknowledged",
        f"{now.shown} shown",
        Text(f"silent for {now.silence_s:.1f} s", style="yellow" if now.silence_s > 1 else "dim"),
        Text(f"{now.anomalies} anomalies so far", style="bold red" if now.anomalies else "dim"),
    )
    bar = ProgressBar(total=drill.lasts_s, completed=min(elapsed_s, drill.lasts_s), width=60)
    return Group(head, bar, table)


@asynccontextmanager
async def watched(drill: Drill, out: TextIO) -> AsyncIterator[None]:
    """Show a drill while it runs."""
    with contextlib.ExitStack() as stack:
        view: View = Lines(out)
        if out.isatty():
            console = Console(file=out)
            view = Picture(stack.enter_context(Live(console=console, transient=True, auto_refresh=False)))
        watching = asyncio.create_task(_watch(drill, view), name="live view")
        try:
            yield
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching


async def _watch(drill: Drill, view: View) -> None:
    while True:
        view.show(drill, glimpse(drill.record.history, drill.record.around, boottime()))
        await asyncio.sleep(LOOK_S)
