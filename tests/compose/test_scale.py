"""As many nodes as are wanted: HAProxy finds them by Docker's DNS. Compose 2 starts them, everything else 1.29."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from datchat.drills.checkers import Verdict
from support.compose import REDIS, SENTINELS, START_S, Project, needs_engine
from support.composes import compose2
from support.crowd import crowd
from support.eventually import eventually
from support.people import fresh

pytestmark = [needs_engine, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def scaled(image: str) -> Iterator[Project]:
    with Project("compose.yaml", "compose.scale.yaml", compose=compose2()) as project:
        project.wait_until_ready()
        yield project


def nodes(project: Project) -> dict[str, str]:
    """The addresses of the nodes that run, by the name that each has from its container."""
    addresses = project.addresses()
    return {
        f"web-{container['Config']['Hostname']}": f"{addresses[name]}:8080"
        for name, container in project.containers().items()
        if name.startswith("web") and name in addresses
    }


def led_to(project: Project, count: int) -> bool:
    """Whether so many nodes run, and HAProxy leads people to these and no others."""
    running = set(nodes(project).values())
    return len(running) == count and project.led_to() == running


def calls_itself(address: str, token: str) -> str:
    """The name of the node at an address."""
    said = httpx.get(f"http://{address}/api/v1/cluster", headers={"Authorization": f"Bearer {token}"}, timeout=10)
    return str(said.json()["nodes"][0]["name"])


async def test_scale_up_and_down(scaled: Project) -> None:
    """
    With --scale there are so many nodes, of different names, and HAProxy leads to all of them and to no other; while
    their number changes people go on, and nothing that was acknowledged is lost.
    """
    assert set(scaled.states()) == {*REDIS, *SENTINELS, "web", "web_2", "web_3", "haproxy"}
    await eventually(lambda: led_to(scaled, 3), 60, describe=lambda: (nodes(scaled), scaled.led_to()))
    async with crowd(scaled.url, 9, [fresh("den")]) as people:
        people.post(40)
        await people.goes_on(people.now())

        await asyncio.to_thread(scaled.do, "up", "-d", "--scale", "web=5", timeout_s=START_S)
        await eventually(lambda: led_to(scaled, 5), 60, describe=lambda: (nodes(scaled), scaled.led_to()))
        for name, address in nodes(scaled).items():
            assert calls_itself(address, people.token) == name

        before = people.now()
        await asyncio.to_thread(scaled.do, "up", "-d", "--scale", "web=2", timeout_s=START_S)
        await eventually(lambda: led_to(scaled, 2), 60, describe=lambda: (nodes(scaled), scaled.led_to()))
        await people.each_goes_on(before, [member.name for member in people.members], 60)
        await people.goes_on(people.now())
        await eventually(lambda: people.on_nodes().keys() == nodes(scaled).keys(), 30, describe=people.describe)
        judgement = await people.finish(90)
    assert judgement.verdict is Verdict.VALID, judgement
