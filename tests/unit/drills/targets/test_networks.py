"""Cuts between containers: who is cut off with whom, and that all is as it was after."""

from __future__ import annotations

import pytest

from datchat.drills.targets import TargetError, networks
from unit.drills.targets.fake_engine import FakeEngine


@pytest.fixture
def fake() -> FakeEngine:
    """A master, a node and another one."""
    fake = FakeEngine()
    for service in ("redismaster", "web0", "web1"):
        fake.service(service)
    return fake


async def cut(fake: FakeEngine, *services: str) -> None:
    await networks.cut_off(fake.client(), "chat", [str(fake.of(service)["Id"]) for service in services])


async def test_those_that_are_cut_off_are_together(fake: FakeEngine) -> None:
    """On a network of their own, under their names; the others stay where they are."""
    await cut(fake, "redismaster", "web0")

    (side,) = await networks.side_networks(fake.client(), "chat")
    assert list(fake.whereabouts(fake.of("redismaster"))) == [side["Name"]]
    assert fake.whereabouts(fake.of("web0"))[side["Name"]][1][0] == "web0"
    assert list(fake.whereabouts(fake.of("web1"))) == ["home"]
    assert side["Name"].startswith("chat_")


@pytest.mark.parametrize("leads_nowhere", [True, False])
async def test_a_side_leads_as_far_as_the_home_did(fake: FakeEngine, leads_nowhere: bool) -> None:
    """Who had no way out gets none; who had one finds that nobody answers there, instead of that there is none."""
    fake.networks["home"]["Internal"] = leads_nowhere
    await cut(fake, "redismaster")

    (side,) = await networks.side_networks(fake.client(), "chat")
    assert side["Internal"] is leads_nowhere


async def test_cuts_side_by_side(fake: FakeEngine) -> None:
    """A second cut is another side."""
    await cut(fake, "redismaster")
    await cut(fake, "web0")

    assert len({name for service in ("redismaster", "web0") for name in fake.whereabouts(fake.of(service))}) == 2


async def test_healing_brings_back_what_was(fake: FakeEngine) -> None:
    """The same networks and names, also those asked for by hand; most get their addresses; the side is gone."""
    fake.network("front", "172.21.0.")
    fake._join("front", str(fake.of("web0")["Id"]), {"Aliases": ["web0", "chat.example"]})
    fake._join("front", str(fake.of("web1")["Id"]), {"IPAMConfig": {"IPv4Address": "172.21.0.77"}})
    before = {service: fake.whereabouts(fake.of(service)) for service in ("redismaster", "web0", "web1")}
    await cut(fake, "web1", "web0", "redismaster")

    assert await networks.heal(fake.client(), "chat") == {fake.of(service)["Id"] for service in before}

    assert {service: fake.whereabouts(fake.of(service)) for service in before} == before
    assert list(fake.networks) == ["home", "front"]
    assert not await networks.heal(fake.client(), "chat")


async def test_anybody_can_heal(fake: FakeEngine) -> None:
    """What they were on stands at the engine: another drill undoes what a killed one left. Other projects' stay."""
    await cut(fake, "redismaster")
    other = fake.service("web0", project="other")
    await networks.cut_off(fake.client(), "other", [other["Id"]])

    assert await networks.heal(fake.client(), "chat")

    assert list(fake.whereabouts(fake.of("redismaster"))) == ["home"]
    assert "home" not in fake.whereabouts(other)


async def test_healing_goes_on_where_it_broke_off(fake: FakeEngine) -> None:
    """Who is back already is left there."""
    await cut(fake, "redismaster", "web0")
    fake._join("home", str(fake.of("web0")["Id"]), {"Aliases": ["web0"]})

    assert await networks.heal(fake.client(), "chat")

    assert list(fake.whereabouts(fake.of("web0"))) == list(fake.whereabouts(fake.of("redismaster"))) == ["home"]


async def test_what_the_engine_refuses_is_told(fake: FakeEngine) -> None:
    """A cut that can't be made makes the drill unknown."""
    fake.refuse["/networks/create"] = (500, "could not find an available address pool")

    with pytest.raises(TargetError, match="the Docker engine says: could not find an available address pool"):
        await cut(fake, "web0")
