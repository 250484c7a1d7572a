"""What one sees while a drill runs."""

from __future__ import annotations

import io

from rich.console import Console

from datchat.client.clock import boottime
from datchat.drills.glimpse import Glimpse
from datchat.drills.live import Lines, picture, watched
from datchat.drills.run import Drill, Order
from datchat.drills.scenarios import SCENARIOS
from datchat.drills.workload.crowd import Size
from support.eventually import eventually
from unit.drills.fake_target import FakeTarget


def drill() -> Drill:
    return Drill(SCENARIOS["web-kill"], FakeTarget(), Order(seed=1, size=Size()))


def glimpsed(anomalies: int = 0) -> Glimpse:
    return Glimpse(attempted=12, acknowledged=10, shown=40, rate=5, silence_s=0.2, anomalies=anomalies)


def test_a_line_when_something_else_goes_on() -> None:
    """The same again so soon is not said; anomalies are, when there are any."""
    out = io.StringIO()
    lines = Lines(out)
    running = drill()

    lines.show(running, glimpsed())
    lines.show(running, glimpsed())
    running._phase = "settling"
    lines.show(running, glimpsed(3))

    first, second = out.getvalue().splitlines()
    assert first.endswith("people arrive; 10 of 12 posts acknowledged, 5 in the last second")
    assert second.endswith("settling; 10 of 12 posts acknowledged, 5 in the last second, 3 anomalies so far")


def test_the_picture() -> None:
    """Scenario, what goes on, rates and anomalies."""
    console = Console(file=io.StringIO(), width=140, record=True)
    console.print(picture(drill(), glimpsed(3), boottime()))
    shown = console.export_text()

    for words in ("web-kill", "people arrive", "5 posts/s", "10 of 12 acknowledged", "3 anomalies so far"):
        assert words in shown


async def test_it_is_watched_while_it_runs() -> None:
    """Lines come by themselves, and end with the drill."""
    out = io.StringIO()
    async with watched(drill(), out):
        await eventually(out.getvalue)
    assert "people arrive" in out.getvalue()
