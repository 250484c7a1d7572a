"""The original's walk through Compose: stop the master, kill a node, start both again, and lose nothing."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from support.compose import PARTS, WEB, Project, needs_engine
from support.eventually import eventually_now
from support.visitor import Visitor

pytestmark = [needs_engine, pytest.mark.timeout(600)]

FAILING_OVER = "The store is failing over. What you write is kept and will be sent."


@pytest.fixture
def people(project: Project, browser: Browser) -> Iterator[tuple[Visitor, Visitor]]:
    """Two people in the lobby, on different nodes."""
    alice, bob = Visitor(browser, project.url, "Alice"), Visitor(browser, project.url, "Bob")
    for visitor in (alice, bob):
        visitor.expect_outage()
        visitor.visit()

    def apart() -> bool:
        if node_of(alice) != node_of(bob):
            return True
        bob.visit()
        return False

    eventually_now(apart, 60)
    yield alice, bob
    for visitor in (alice, bob):
        visitor.context.close()
    assert alice.complaints + bob.complaints == []


def node_of(visitor: Visitor) -> str:
    """The node that holds the socket, as the banner names it."""
    found = re.search(r"socket on (\w+)", visitor.node.inner_text())
    return found[1] if found else ""


class Talk:
    """What two people have said to each other, and what their banners said meanwhile."""

    def __init__(self, *people: Visitor) -> None:
        self.people = people
        self.said: dict[str, list[str]] = {visitor.name: [] for visitor in people}
        self.banners: dict[str, list[str]] = {visitor.name: [] for visitor in people}

    def go_on(self) -> None:
        """Each says something, whether it can be stored or not."""
        for visitor in self.people:
            text = f"{visitor.name} {len(self.said[visitor.name])}"
            visitor.say(text)
            self.said[visitor.name].append(text)
            self.banners[visitor.name].append(visitor.node.inner_text())

    def stored(self) -> None:
        """Wait until all of it is."""
        for visitor in self.people:
            visitor.settled(60)
            expect(visitor.node).not_to_contain_text("The store is", timeout=60_000)

    def judge(self) -> None:
        """Everything was stored once, each one's in order, and both see the same."""
        everything = sorted(text for texts in self.said.values() for text in texts)
        shown: list[list[str]] = []
        for visitor in self.people:
            eventually_now(lambda v=visitor: len(own(v, self.said)) >= len(everything), 60)  # type: ignore[misc]
            shown.append(own(visitor, self.said))
        assert shown[0] == shown[1]
        assert sorted(shown[0]) == everything
        for name, texts in self.said.items():
            assert [text for text in shown[0] if text.startswith(f"{name} ")] == texts


def own(visitor: Visitor, said: dict[str, list[str]]) -> list[str]:
    """What the log shows of this talk."""
    everything = {text for texts in said.values() for text in texts}
    return [text for text in visitor.texts() if text in everything]


def test_it_is_there(project: Project, browser: Browser) -> None:
    """The original's ten services run, nothing else does, and somebody can sign up."""
    assert project.states() == dict.fromkeys(PARTS, "running")
    visitor = Visitor(browser, project.url, "Carol").visit()

    visitor.say("is anybody here?")

    visitor.settled(30)
    visitor.context.close()
    assert visitor.complaints == []


def test_stop_the_master_and_kill_a_node(project: Project, people: tuple[Visitor, Visitor]) -> None:
    """
    Two people on different nodes go on typing while the master is stopped, started again as a replica, and the node of
    one of them killed: nothing is lost, doubled or out of order, and the logs say what the original's said.
    """
    alice, _ = people
    talk = Talk(*people)
    before = project.master()
    talk.go_on()

    project.do("stop", before)
    deadline = time.monotonic() + 60
    while (master := project.master()) in ("", before):
        assert time.monotonic() < deadline, project.roles()
        talk.go_on()
    talk.go_on()
    talk.stored()

    assert any(FAILING_OVER in banner for banners in talk.banners.values() for banner in banners), talk.banners
    for node in WEB:
        assert "reconnecting to new redis master" in project.logs(node)

    project.do("start", before)
    talk.go_on()
    project.wait_until_whole()
    assert project.master() == master, "who was away comes back as a replica"

    node = node_of(alice)
    project.do("kill", node)
    talk.go_on()
    alice.connected()
    eventually_now(lambda: node_of(alice) not in ("", node), 30)
    talk.stored()
    assert project.states()[node] == "exited", "what was killed stays down"
    project.do("start", node)
    eventually_now(lambda: f"Server web/{node} is UP" in project.logs("haproxy"), 60)
    talk.judge()

    said = project.logs("web0", "web1", "web2", "haproxy")
    assert re.search(r"GET /ws\S* .*\b101\b.*node=web\d", said), "the node that took a socket"
    assert re.search(r"Server web/web\d .*is UP", said)
    assert f"Server web/{node} is DOWN" in said
