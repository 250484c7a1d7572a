"""Two load balancers that share an address, as compose.ha.yaml runs them: one is killed, and comes back."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from datchat.drills.checkers import Verdict
from support.compose import Project, docker, needs_engine
from support.crowd import crowd
from support.eventually import eventually, eventually_now
from support.people import fresh

pytestmark = [needs_engine, pytest.mark.timeout(600)]

FILES = ("compose.yaml", "compose.ha.yaml")
BALANCERS = ("haproxy", "haproxy2")
BACK_S = 9.0
"""Three times what it takes on a machine that does nothing else."""
TRIES = 3
"""So many are judged at most, by the shortest: what else the machine does makes them longer, and nothing shorter."""


class Pair:
    """The project, and the address that its balancers share."""

    def __init__(self, project: Project, shared: str) -> None:
        self.project = project
        self.shared = shared
        self.url = f"http://{shared}:8081"

    def holders(self) -> list[str]:
        """Who has the address."""
        return [name for name in BALANCERS if f" {self.shared}/24 " in self.inside(name, "ip -4 -o address")]

    def inside(self, name: str, command: str) -> str:
        """What a command says in a balancer's container; nothing when that does not run."""
        return docker("exec", self.project.container(name), "sh", "-c", command, code=None)

    def both(self) -> bool:
        """Whether one has the address and the other stands by."""
        last = {
            name: [line for line in self.project.logs(name).splitlines() if " Entering " in line] for name in BALANCERS
        }
        states = sorted(lines[-1].split(" Entering ")[1] for lines in last.values() if lines)
        return states == ["BACKUP STATE", "MASTER STATE"] and len(self.holders()) == 1


@pytest.fixture(scope="module")
def pair(image: str) -> Iterator[Pair]:
    net = f"10.81.{random.randrange(256)}"
    project = Project(*FILES, DATCHAT_NET=net, BALANCER_IMAGE="datchat-balancer-tests")
    project.do("build", *BALANCERS, timeout_s=400)
    with project:
        pair = Pair(project, f"{net}.250")
        eventually_now(pair.both, 60, describe=project.said)
        yield pair


@pytest.mark.parametrize("deed", ["kill", "pause"])
async def test_the_address_moves_and_the_chat_goes_on(pair: Pair, deed: str) -> None:
    """Clients of the shared address are back through the other one; nothing is lost; what comes back stands by."""
    took_s: list[float] = []
    async with crowd(pair.url, 6, [fresh("den")]) as people:
        people.post(60)
        while len(took_s) < TRIES and min(took_s, default=BACK_S) >= BACK_S:
            await people.goes_on(people.now())
            (struck,) = pair.holders()
            (other,) = set(BALANCERS) - {struck}
            at = people.now()
            pair.project.do(deed, struck)
            took_s.append(await people.each_goes_on(at, [member.name for member in people.members], 30))
            assert pair.holders() == [other]
            pair.project.do({"kill": "start", "pause": "unpause"}[deed], struck)
            await eventually(pair.both, 60, describe=pair.project.said)
        await people.goes_on(people.now())
        judgement = await people.finish()

    assert judgement.verdict is Verdict.VALID, judgement
    assert min(took_s) < BACK_S, took_s


def test_haproxy_ending_ends_its_host(pair: Pair) -> None:
    """Killed inside its container, it takes keepalived along; Docker starts both again, and one has the address."""
    (struck,) = pair.holders()
    before = pair.project.containers()[struck]["RestartCount"]
    pair.inside(struck, "kill -9 $(pidof haproxy)")

    eventually_now(lambda: pair.project.containers()[struck]["RestartCount"] > before, 30)
    eventually_now(pair.both, 60, describe=pair.project.said)


def test_only_keepalived_has_rights(pair: Pair) -> None:
    """HAProxy runs as its own user, without capabilities; the container has those that keepalived needs."""
    rights = pair.inside("haproxy", "grep -h -E '^(Uid|CapEff|CapPrm):' $(printf '/proc/%s/status ' $(pidof haproxy))")
    found = pair.project.containers()["haproxy"]["HostConfig"]

    assert rights.count("Uid:") >= 2
    assert "Uid:\t0" not in rights
    assert {line.split()[1] for line in rights.splitlines() if line.startswith("Cap")} == {"0" * 16}
    assert found["ReadonlyRootfs"]
    assert found["CapDrop"] == ["ALL"]
    assert sorted(found["CapAdd"]) == ["CHOWN", "KILL", "NET_ADMIN", "NET_RAW", "SETGID", "SETUID"]
