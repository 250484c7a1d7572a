"""The original's demonstration: two people on different nodes, and the Redis master is stopped between them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from support.clusters import REDIS, Cluster, needs_servers
from support.eventually import eventually_now
from support.visitor import Invite, Visitor

pytestmark = [needs_servers, pytest.mark.timeout(180)]

FAILING_OVER = "The store is failing over. What you write is kept and will be sent."


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster") / "c") as cluster:
        yield cluster


def node_of(visitor: Visitor) -> str:
    """The node that holds the socket, as the banner names it."""
    found = re.search(r"socket on (\w+)", visitor.node.inner_text())
    return found[1] if found else ""


def apart(alice: Visitor, bob: Visitor) -> bool:
    """Load the second page again until the two sockets are on different nodes."""
    if node_of(alice) != node_of(bob):
        return True
    bob.visit()
    return False


def write(banner: list[str], visitor: Visitor, texts: list[str]) -> None:
    """Say something, and note what the banner says."""
    text = f"{visitor.name} {len(texts)}"
    visitor.say(text)
    texts.append(text)
    banner.append(visitor.node.inner_text())


def test_the_master_is_stopped(invite: Invite, cluster: Cluster) -> None:
    """
    Both go on typing while the Redis master is stopped and a replica promoted; nothing typed is lost, doubled or put
    out of order; the banner comes and goes; the stopped one comes back as a replica, and both go on.
    """
    alice, bob = invite("Alice", cluster), invite("Bob", cluster)
    for visitor in (alice, bob):
        visitor.visit()
        # A page of another node, a store that is away for a moment: the browser may find both.
        visitor.expect_outage()
    eventually_now(lambda: apart(alice, bob), 30)
    said: dict[str, list[str]] = {alice.name: [], bob.name: []}
    seen: dict[str, list[str]] = {alice.name: [], bob.name: []}

    def both_write() -> None:
        for visitor in (alice, bob):
            write(seen[visitor.name], visitor, said[visitor.name])

    stood = len(alice.texts())
    both_write()
    old = cluster.master()
    cluster.do("stop", old)
    deadline = time.monotonic() + 20
    while (master := cluster.master()) in ("", old):
        assert time.monotonic() < deadline, cluster.roles()
        both_write()
    assert master in REDIS
    both_write()
    for visitor in (alice, bob):
        visitor.settled()
        expect(visitor.node).not_to_contain_text("The store is", timeout=20_000)
    for name, banners in seen.items():
        assert any(FAILING_OVER in banner for banner in banners), (name, banners)

    cluster.do("start", old)
    eventually_now(cluster.settled, 60, describe=cluster.trouble)
    assert cluster.roles()[old] == "replica"
    both_write()
    for visitor in (alice, bob):
        visitor.settled()
    count = stood + len(said[alice.name]) + len(said[bob.name])
    for visitor in (alice, bob):
        expect(visitor.log.locator("article")).to_have_count(count)
    assert alice.texts() == bob.texts()
    for name, texts in said.items():
        assert [text for text in alice.texts() if text.startswith(f"{name} ")] == texts


def test_a_page_without_a_store_comes_back(invite: Invite, cluster: Cluster) -> None:
    """
    All of Redis is killed, and the page loaded anew: it says that the store is away, and becomes the chat again by
    itself, with what was written before, which is then sent.
    """
    alice = invite("Alice", cluster)
    alice.visit()
    alice.expect_outage()
    alice.expect_refusal(503)
    alice.say("before")
    alice.settled()
    cluster.do("kill", *REDIS)
    alice.say("kept")
    expect(alice.log.locator("[aria-busy=true]")).to_have_count(1)
    alice.page.reload()
    expect(alice.page.get_by_role("heading", name="Back in a moment")).to_be_visible(timeout=20_000)
    expect(alice.page.get_by_text("This page tries again by itself.")).to_be_visible()
    cluster.do("start", *REDIS)
    expect(alice.page.locator("#node")).to_have_attribute("data-state", "open", timeout=60_000)
    alice.settled()
    assert alice.texts()[-2:] == ["before", "kept"]
    eventually_now(cluster.settled, 60, describe=cluster.trouble)
