"""The server goes, the page stays: nothing written is lost, doubled or put out of order, and the banner tells."""

from __future__ import annotations

import signal

from playwright.sync_api import expect

from support.process import ServerProcess
from support.visitor import Invite, Visitor


def test_killed_while_both_type(invite: Invite, server: ServerProcess) -> None:
    """``kill -9`` in the middle: each message once, in one order for both, none lost."""
    alice, bob = invite("Alice", server), invite("Bob", server)
    written: dict[str, list[str]] = {"Alice": [], "Bob": []}
    for visitor in (alice, bob):
        visitor.visit()
        visitor.expect_outage()

    def both_say(first: int, last: int) -> None:
        for number in range(first, last):
            for visitor in (alice, bob):
                text = f"{visitor.name} {number}"
                written[visitor.name].append(text)
                visitor.say(text)

    both_say(0, 10)
    server.kill()
    both_say(10, 20)
    for visitor in (alice, bob):
        expect(visitor.node).to_contain_text("Offline. What you write is kept and will be sent.")
        expect(visitor.log.locator("[aria-busy=true]")).not_to_have_count(0)
    server.start()
    both_say(20, 30)
    for visitor in (alice, bob):
        visitor.connected()
        visitor.settled()
        expect(visitor.node).to_contain_text("Back on web0,")
    expect(alice.log.locator("article")).to_have_count(60)
    expect(bob.log.locator("article")).to_have_count(60)
    assert alice.texts() == bob.texts()
    for name, texts in written.items():
        assert [text for text in bob.texts() if text.startswith(name)] == texts
    alice.page.reload()
    alice.connected()
    alice.sees_last(bob.texts()[-1])
    # The page comes with the newest fifty; whether older ones are loaded at once depends on how much room there is.
    assert bob.texts()[-50:] == alice.texts()[-50:]


def test_outbox_survives_a_reload(invite: Invite, server: ServerProcess) -> None:
    """What was written while the server was away goes out after the tab was closed and the page loaded anew."""
    alice, bob = invite("Alice", server), invite("Bob", server)
    for visitor in (alice, bob):
        visitor.visit()
        visitor.expect_outage()
    alice.say("before")
    bob.sees("before")
    server.kill()
    alice.say("while away 1")
    alice.say("while away 2")
    expect(alice.log.locator("[aria-busy=true]")).to_have_count(2)
    alice.page.close()
    server.start()
    alice.page = alice.open_tab()
    alice.visit()
    alice.sees("before", "while away 1", "while away 2")
    alice.settled()
    bob.sees("before", "while away 1", "while away 2")
    alice.page.reload()
    alice.sees("before", "while away 1", "while away 2")
    bob.sees("before", "while away 1", "while away 2")


def test_caught_up_is_counted(invite: Invite, server: ServerProcess) -> None:
    """After a reconnect the banner says how much was caught up and sent, then only the nodes again."""
    alice, bob = invite("Alice", server), invite("Bob", server)
    alice.hold_sockets()
    alice.visit()
    alice.expect_outage()
    expect(alice.node).to_have_text("page from web0 (127.0.0.1) · socket on web0 (127.0.0.1)", use_inner_text=True)
    server.kill()
    alice.say("mine")
    expect(alice.node).to_contain_text("Offline")
    # There is time for somebody else to write before the page is back. A browser may hold a try back for seconds, and
    # would make it when the server is there again.
    alice.go_away()
    server.start()
    bob.post("lobby", "theirs 1", "theirs 2")
    alice.come_back()
    expect(alice.node).to_contain_text("Back on web0, 2 messages caught up, 1 sent.", timeout=30_000)
    alice.sees("theirs 1", "theirs 2", "mine")


def test_drained(invite: Invite, server: ServerProcess) -> None:
    """A server that is stopped in order says so; the page comes back to the next one."""
    alice = invite("Alice", server)
    alice.visit()
    alice.expect_outage()
    server.signal(signal.SIGTERM)
    server.wait()
    alice.say("still here")
    expect(alice.node).to_contain_text("Offline")
    server.start()
    alice.connected()
    alice.settled()
    alice.sees("still here")


def test_short_interruption_is_not_shown(invite: Invite, room: str) -> None:
    """A line that is back within a second changes nothing that is seen."""
    alice = invite("Alice")
    alice.make_room(room)
    alice.hold_sockets()
    alice.visit(room)
    alice.page.evaluate("""() => {
        window.said = [];
        const node = document.getElementById("node");
        new MutationObserver(() => window.said.push(node.dataset.state)).observe(node, { attributes: true });
        Math.random = () => 0.1;
        window.sockets.at(-1).close();
    }""")
    alice.page.wait_for_function("() => window.sockets.length > 1 && window.sockets.at(-1).readyState === 1")
    alice.say("hello")
    alice.settled()
    assert "offline" not in alice.page.evaluate("window.said")


def test_session_ended_elsewhere(invite: Invite, room: str) -> None:
    """Signing out in one tab ends the others, which say so and lead to the form and back."""
    alice = invite("Alice")
    alice.make_room(room)
    alice.visit(room)
    other = alice.open_tab()
    alice.visit(room, other)
    other.get_by_role("button", name="Sign out").click()
    expect(other.get_by_role("heading", name="Sign in")).to_be_visible()
    dialog = alice.page.get_by_role("dialog", name="You are signed out")
    expect(dialog).to_be_visible()
    dialog.get_by_role("link", name="Sign in").click()
    sign_in(alice)
    expect(alice.page).to_have_url(f"{alice.url}/rooms/{room}")
    alice.connected()


def sign_in(visitor: Visitor) -> None:
    visitor.page.get_by_label("E-mail").fill(visitor.email)
    visitor.page.get_by_label("Password").fill("correct horse battery")
    visitor.page.get_by_role("button", name="Sign in").click()


def test_module_that_did_not_arrive(invite: Invite, room: str) -> None:
    """A page whose modules did not all arrive is loaded again by itself, a few times, then it says so."""
    alice = invite("Alice")
    alice.make_room(room)
    alice.expect_outage()
    failures = iter([True])
    pattern = "**/js/room.js"
    alice.page.route(pattern, lambda route: route.abort() if next(failures, False) else route.continue_())
    alice.visit(room)
    alice.page.unroute(pattern)
    alice.page.route(pattern, lambda route: route.abort())
    alice.page.reload()
    expect(alice.node).to_contain_text("Please load it again.", timeout=20_000)
