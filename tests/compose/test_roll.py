"""
`script/roll` renews every part under load: the upgrade that docs/deploy/compose.md tells of. With Compose 2, whose
commands take less time.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator

import pytest

from datchat.drills.checkers import Verdict
from support.compose import IMAGE, PARTS, REDIS, ROOT, SENTINELS, WEB, Project, docker, needs_engine
from support.composes import compose2
from support.crowd import crowd
from support.people import fresh

pytestmark = [needs_engine, pytest.mark.timeout(600)]

NEXT = {
    "DATCHAT_IMAGE": (IMAGE, "datchat-tests:next"),
    "REDIS_IMAGE": ("redis:7.2-bookworm", "redis-tests:next"),
    "HAPROXY_IMAGE": ("haproxy:3.0-bookworm", "haproxy-tests:next"),
}
"""The images under other names: to Compose they are other images."""


@pytest.fixture
def images() -> Iterator[dict[str, str]]:
    for old, new in NEXT.values():
        docker("tag", old, new)
    yield {variable: new for variable, (_, new) in NEXT.items()}
    docker("rmi", "-f", *(new for _, new in NEXT.values()))


def roll(project: Project, code: int = 0, **variables: str) -> list[str]:
    """What the script says: what it has renewed, in order."""
    named = {"COMPOSE_PROJECT_NAME": project.name, "COMPOSE": " ".join(compose2())}
    environment = {**project.environment, **named, **variables}
    done = subprocess.run(
        [ROOT / "script" / "roll"], env=environment, capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert done.stdout == ""
    return [line.removeprefix("roll: ") for line in done.stderr.splitlines()]


async def test_every_part_is_renewed_and_the_chat_goes_on(image: str, images: dict[str, str]) -> None:
    """
    All ten parts get other images while people talk: the master hands over before its turn, nothing is lost, and
    everybody goes on. A second time there is nothing to do; where a part does not start with a changed setting, the
    others stay as they are; and with a right one, only those whom it is for are renewed.
    """
    with Project(compose=compose2()) as project:
        project.wait_until_whole()
        project.wait_until_ready()
        before, master = project.containers(), project.master()
        async with crowd(project.url, 9, [fresh("den")]) as people:
            people.post(30)
            await people.goes_on(people.now())
            said = await asyncio.to_thread(roll, project, **images)
            await people.each_goes_on(people.now(), [member.name for member in people.members], 60)
            judgement = await people.finish(90)
        assert judgement.verdict is Verdict.VALID, judgement

        assert sorted(said) == sorted(f"{part} is new" for part in PARTS)
        order = [line.removesuffix(" is new") for line in said]
        assert order[:3] == list(SENTINELS)
        assert set(order[3:6]) == set(REDIS)
        assert order[5] == master, "the master comes last of the servers"
        assert order[6:] == [*WEB, "haproxy"]
        after = project.containers()
        assert {container["Config"]["Image"] for container in after.values()} == set(images.values())
        assert not {c["Id"] for c in before.values()} & {c["Id"] for c in after.values()}
        assert project.whole()
        successor = project.master()
        assert successor not in ("", master)

        assert roll(project, **images) == ["everything is as it should be"]
        assert project.master() == successor, "nobody hands over for nothing"
        nodes = {name: project.containers()[name]["Id"] for name in ("web1", "web2")}
        *_, last = roll(project, 1, **images, DATCHAT_PASSWORD_HASH="wrong", ROLL_S="15")
        assert last.startswith("web0 is not well after 15 s: see `")
        assert nodes == {name: project.containers()[name]["Id"] for name in nodes}
        assert roll(project, **images, DATCHAT_POST_RATE="7") == [f"{node} is new" for node in WEB]
        assert project.whole()
        assert project.master() == successor
