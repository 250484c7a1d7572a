"""What a scenario does to a cluster is undone, written down, and the same for the same seed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from datchat.drills import stage as stages
from datchat.drills.scenarios import SCENARIOS, Scenario
from datchat.drills.stage import Stage, Unhealed
from datchat.drills.targets import Ability, TargetError
from datchat.drills.workload.crowd import Crowd, Size
from support.eventually import eventually
from unit.drills.fake_target import FakeTarget, HarmlessTarget


class QuickStage(Stage):
    """A stage on which nobody waits: what holds takes one turn of the loop."""

    held_s = 0.0

    async def hold(self, seconds: float) -> None:
        self.held_s += seconds
        self._ends_at -= seconds
        await asyncio.sleep(0)

    async def expect_unready(self, node: str, within_s: float) -> None:
        assert self.doing == f"deafen of {node}"


def stage_on(target: FakeTarget, seed: int = 1, lasts_s: float = 30.0) -> QuickStage:
    crowd = Crowd(Size(), target.url, [], ["lobby"], seed)
    return QuickStage(target, crowd, random.Random(seed), lasts_s)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks by the clock: what is looked at here answers at once."""
    monkeypatch.setattr(stages, "LOOK_S", 0.0)
    monkeypatch.setattr(stages, "WHOLE_S", 0.05)


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda scenario: scenario.name)
async def test_every_scenario_breaks_something_and_mends_it(scenario: Scenario) -> None:
    """At its end the cluster is whole, and each thing that was done is written down with its end."""
    target = FakeTarget()
    stage = stage_on(target)

    await scenario.steps(stage)

    assert await target.trouble() is None
    faults = stage.crowd.around.faults
    assert bool(faults) == (scenario.name != "calm")
    assert all(fault.until is not None and fault.until >= fault.at for fault in faults)
    assert stage.crowd.haste == 1.0
    assert not stage.crowd.frozen


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda scenario: scenario.name)
async def test_a_scenario_says_what_it_needs(scenario: Scenario) -> None:
    """All of it, and no more: it runs where nothing else can be done."""
    lacks = [ability for ability in Ability if ability not in scenario.needs]
    target = FakeTarget(*lacks)

    await scenario.steps(stage_on(target))

    assert target.needed == scenario.needs


@pytest.mark.parametrize("ability", Ability, ids=str)
async def test_mixed_does_what_the_target_can(ability: Ability) -> None:
    """Whatever a target lacks, the rest is played there; and what it can do comes, if one waits."""
    target = FakeTarget(ability)
    await SCENARIOS["mixed"].steps(stage_on(target, lasts_s=600))

    assert target.needed == set(Ability) - {
        *(ability, Ability.CRASH, Ability.DRAIN, Ability.CUT_FEEDS, Ability.ROLL, Ability.JUMP_CLOCK)
    }


@pytest.mark.parametrize(("scenario", "act"), [("node-crash", "crash_host_of"), ("node-drain", "drain_host_of")])
async def test_the_master_is_moved_where_its_host_has_most_sentinels(scenario: str, act: str) -> None:
    """Of two hosts one has two of three sentinels: a crash of that one, with the master, is none that can be borne."""
    target = FakeTarget()
    target.hosts = {"redismaster": "a", "redisslave": "b", "redisslave2": "b"}
    target.hosts |= {"redissentinel": "a", "redissentinel2": "a", "redissentinel3": "b"}
    await SCENARIOS[scenario].steps(stage_on(target))

    assert target.acts[:2] == [("switch_master",), (act, "redisslave")]


async def test_a_tool_rolls_by_its_own_way() -> None:
    """Where something runs the cluster that knows how to update it, it does; elsewhere nodes are stopped one by one."""
    tool, by_hand = FakeTarget(), FakeTarget(Ability.ROLL)
    for target in (tool, by_hand):
        await SCENARIOS["rolling-restart"].steps(stage_on(target))

    assert tool.acts == [("roll", "web"), ("roll", "redis")]
    assert [act for act, *_ in by_hand.acts] == ["stop", "start"] * 3


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda scenario: scenario.name)
def test_every_scenario_says_what_it_does(scenario: Scenario) -> None:
    """In a paragraph, under a name that can be typed."""
    assert scenario.name == scenario.name.lower().replace(" ", "-")
    assert scenario.text.endswith(".")
    assert len(scenario.text) > 100


async def test_the_seed_decides() -> None:
    """The same seed does the same, another one something else."""

    async def acts(seed: int) -> list[tuple[str, ...]]:
        target = FakeTarget()
        await SCENARIOS["mixed"].steps(stage_on(target, seed, lasts_s=60))
        return target.acts

    assert await acts(3) == await acts(3)
    assert await acts(3) != await acts(4)


async def test_what_fails_within_a_fault_is_mended_all_the_same() -> None:
    """Parts are started, woken and reconnected also when the drill is given up meanwhile."""
    target = FakeTarget()
    stage = stage_on(target)
    breakages: list[Callable[[], object]] = [
        lambda: stage.killed("web0"),
        lambda: stage.stopped("web0"),
        lambda: stage.paused("web0"),
        lambda: stage.cut_off("web0"),
        lambda: stage.host_crashed("web0"),
        lambda: stage.host_drained("web0"),
    ]
    for broken in breakages:
        with pytest.raises(KeyboardInterrupt):
            await _give_up_within(broken)
        assert await target.trouble() is None


async def _give_up_within(broken: Callable[[], object]) -> None:
    async with broken():  # type: ignore[attr-defined]
        raise KeyboardInterrupt


async def test_a_cluster_that_stays_ill_is_told() -> None:
    """With what is wrong with it."""
    target = FakeTarget()
    target.ill = "web2: /readyz says no"

    with pytest.raises(Unhealed, match="web2: /readyz says no"):
        await stage_on(target).whole()


@pytest.mark.parametrize(
    ("ask", "missing"),
    [(Stage.master, "no Redis server is master"), (Stage.balancer, "there is no load balancer")],
    ids=["master", "balancer"],
)
async def test_a_part_that_is_missing_is_told(ask: Callable[[Stage], Awaitable[str]], missing: str) -> None:
    """A drill that can't find what to break can't be judged."""
    target = FakeTarget()
    target.roles = dict.fromkeys(target.roles, "replica")
    stage = stage_on(target)
    if missing.endswith("balancer"):
        target.parts = lambda: _nothing()  # type: ignore[method-assign]

    with pytest.raises(TargetError, match=missing):
        await ask(stage)


async def _nothing() -> list[object]:
    return []


async def test_a_switch_that_does_not_come_is_told() -> None:
    """Somebody has to be master in the old one's place."""
    target = FakeTarget()
    stage = stage_on(target)

    async def refuse() -> None:
        target.acts.append(("switch_master",))

    target.switch_master = refuse  # type: ignore[method-assign]
    with pytest.raises(TargetError, match="is still master"):
        await stage.switch_master()


async def test_harm_is_done_only_where_it_can_be() -> None:
    """A target that has no such means is told so, and nothing is written down as done for ever."""
    stage = stage_on(HarmlessTarget())
    with pytest.raises(TargetError, match="fake can't do that"):
        async with stage.link_slowed("redisslave", 0.1):
            raise AssertionError("it was not slowed down")
    assert all(fault.until is not None for fault in stage.crowd.around.faults)


@pytest.mark.parametrize(("status", "held_against"), [(503, 0), (200, 1), (404, 1)], ids=str)
async def test_a_node_that_does_not_say_that_it_can_not_serve(status: int, held_against: int) -> None:
    """Whatever else it answers, it is held against it once its time is over; and nothing when it says so."""

    here: list[asyncio.StreamWriter] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        here.append(writer)
        # Whoever asks has gone without a question where its time was over just then.
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.1 {status} as it is\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            writer.close()
            await writer.wait_closed()
        writer.close()
        here.remove(writer)

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        target = FakeTarget()
        target.doors = {"web0": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"}
        stage = stage_on(target)
        await Stage.expect_unready(stage, "web0", 0.3)
        await eventually(lambda: not here)

    assert len(stage.crowd.around.unnoticed) == held_against


async def test_a_node_that_says_nothing_at_all() -> None:
    """Nobody at its door is no answer either."""
    stage = stage_on(FakeTarget())
    await Stage.expect_unready(stage, "web0", 0.1)

    assert stage.crowd.around.unnoticed == ["calm: web0 did not say within 0.1 s that it can't serve"]
