"""Every part is known by its name: it may come back with another address, and is found."""

from __future__ import annotations

import asyncio
from itertools import chain

import pytest

from datchat.drills.checkers import Verdict
from support.compose import IMAGE, REDIS, Project, docker, needs_engine
from support.crowd import crowd
from support.eventually import eventually
from support.people import fresh

pytestmark = [needs_engine, pytest.mark.timeout(600)]


async def test_parts_come_back_with_other_addresses(project: Project) -> None:
    """
    The master comes back at another address, a replica and a sentinel do, another sentinel and a node do; all of them
    find each other, a failover works among them, and nothing that was acknowledged is lost.
    """
    before = project.addresses()
    master = project.master()
    replica = next(name for name in REDIS if name != master)
    moves = ((master,), (replica, "redissentinel"), ("redissentinel2", "web0"))
    image = docker("inspect", "-f", "{{.Config.Image}}", project.container(master)).strip()
    lodge = ("run", "-d", "--network", f"{project.name}_inside", "--entrypoint", "sleep", image, "600")
    lodgers: list[str] = []
    async with crowd(project.url, 6, [fresh("den")]) as people:
        people.post(20)
        await people.goes_on(people.now(), 20)
        try:
            for names in moves:
                await asyncio.to_thread(project.do, "stop", *names)
                # Others get the addresses that have become free: the engine gives away the lowest.
                lodgers.extend([(await asyncio.to_thread(docker, *lodge)).strip() for _ in names])
                await asyncio.to_thread(project.do, "start", *names)
                await asyncio.to_thread(project.wait_until_whole)
                await people.goes_on(people.now(), 20, 60)
            after = project.addresses()
            assert {name for name in before if after[name] != before[name]} == set(chain(*moves))
            nodes = {f"{address}:8080" for name, address in after.items() if name.startswith("web")}
            await eventually(lambda: project.led_to() == nodes, 60, describe=project.led_to)

            # Those that have moved elect, and are followed.
            master = project.master()
            await asyncio.to_thread(project.do, "kill", master)
            await eventually(lambda: project.master() not in ("", master), 60, describe=project.roles)
            await people.goes_on(people.now(), 20, 60)
            await asyncio.to_thread(project.do, "start", master)
            await asyncio.to_thread(project.wait_until_whole)
            assert project.master() != master
        finally:
            for lodger in lodgers:
                docker("rm", "-f", lodger)
        judgement = await people.finish(90)
    assert judgement.verdict is Verdict.VALID, judgement


def test_a_part_that_is_down_is_unknown_at_once(project: Project) -> None:
    """Whoever asks for its name has the answer from the engine, though the DNS that would be asked is silent."""
    options = project.containers()["redissentinel"]["HostConfig"]["DnsOptions"]
    words = [word for option in options for word in ("--dns-option", option)]
    silent = "192.0.2.53"  # RFC 5737: nobody's
    network = f"{project.name}_inside"

    took_s = docker(
        "run", "--rm", "--network", network, "--dns", silent, *words, "--entrypoint", "python3", IMAGE, "-c", LOOK_UP
    )

    assert float(took_s) < 0.5


LOOK_UP = """
import socket, time
began = time.monotonic()
try:
    socket.getaddrinfo("redismaster4", 6379)
except socket.gaierror:
    print(time.monotonic() - began)
"""
