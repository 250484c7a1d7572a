"""Who can do harm, and what is said of who can't."""

from __future__ import annotations

import pytest

from datchat.cluster.parts import Plan
from datchat.drills.targets import Ability, clocks, deafness, localharms
from datchat.drills.targets.harms import HARMS, lack_of
from datchat.drills.targets.localharms import LocalHarms
from unit.drills.fake_target import FakeTarget, HarmlessTarget

PLAN = Plan(network="namespaces", parts=(), master="redismaster", url="", store="", balancer_host="")


async def nobody(name: str = "") -> int:
    raise AssertionError("nobody is to be asked")


async def none() -> list[tuple[str, int, str, int]]:
    return []


def harms(networks: dict[str, int]) -> LocalHarms:
    return LocalHarms(PLAN, networks, nobody, none)


@pytest.mark.parametrize("ability", sorted(HARMS))
def test_a_target_that_does_no_harm_says_so(ability: Ability) -> None:
    """Whatever it says of itself otherwise."""
    assert "datchat up" in (lack_of(HarmlessTarget(), ability) or "")
    assert lack_of(FakeTarget(), ability) is None
    assert lack_of(FakeTarget(ability), ability) is not None


@pytest.mark.parametrize(
    ("module", "tool", "ability", "package"),
    [
        (deafness, "nft", Ability.DEAFEN, "nftables"),
        (localharms, "strace", Ability.SLOW_DISK, "strace"),
        (clocks, "compiler", Ability.JUMP_CLOCK, "gcc"),
    ],
    ids=["nft", "strace", "cc"],
)
def test_a_missing_tool_is_told(
    module: object, tool: str, ability: Ability, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the package that brings it."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(module, tool, lambda: None)
    assert f"apt-get install {package}" in harms({"web0": 0}).lacks[ability]


def test_without_root_little_can_be_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in networks that are everybody's nor in processes."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    lacks = harms({}).lacks
    assert {lacks[ability] for ability in (Ability.SLOW_LINK, Ability.DEAFEN, Ability.SLOW_DISK)} == {"run it as root"}


def test_a_running_cluster_goes_by_this_machines_clock() -> None:
    """Its parts were not started for anything else."""
    assert "leave out --dir" in harms({"web0": 0}).lacks[Ability.JUMP_CLOCK]
