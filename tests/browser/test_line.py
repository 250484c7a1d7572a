"""What comes over the socket, changed on its way: other nodes, a store in trouble, refusals, gaps, the end."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import WebSocketRoute, expect

from support.visitor import Invite, Visitor

Frame = dict[str, Any]
Change = Callable[[Frame], Frame | None]


class Wire:
    """The socket of a page, with a hand on it: ``up`` and ``down`` change a frame, or drop it by None."""

    def __init__(self, visitor: Visitor) -> None:
        self.up: Change = lambda frame: frame
        self.down: Change = lambda frame: frame
        self.socket: WebSocketRoute
        visitor.page.route_web_socket("**/ws", self._opened)

    def _opened(self, socket: WebSocketRoute) -> None:
        self.socket = socket
        server = socket.connect_to_server()
        socket.on_message(lambda text: self._pass(text, self.up, server.send))
        server.on_message(lambda text: self._pass(text, self.down, socket.send))

    def _pass(self, text: str | bytes, change: Change, on: Callable[[str], None]) -> None:
        if (changed := change(json.loads(text))) is not None:
            on(json.dumps(changed))

    def push(self, **frame: Any) -> None:
        """Say something in the server's place."""
        self.socket.send(json.dumps(frame))


@pytest.fixture
def alice(invite: Invite, room: str) -> Visitor:
    alice = invite("Alice")
    alice.make_room(room)
    return alice


def test_page_and_socket_on_different_nodes(alice: Visitor, room: str) -> None:
    """The banner names the node of the page and that of the socket, with their addresses."""
    wire = Wire(alice)
    elsewhere = {"name": "web1", "addresses": ["10.0.0.4", "fd00::4"]}
    wire.down = lambda frame: {**frame, "node": elsewhere} if frame["type"] == "hello" else frame
    alice.visit(room)
    words = "page from web0 (127.0.0.1) · socket on web1 (10.0.0.4, fd00::4)"
    expect(alice.node).to_have_text(words, use_inner_text=True)


def test_store_in_trouble(alice: Visitor, room: str) -> None:
    """The banner tells of a store that fails over or is degraded, and is silent when it is well."""
    wire = Wire(alice)
    alice.visit(room)
    state = {"master": None, "copies": 1, "since_ms": 1}
    wire.push(type="store", state="failing_over", **state)
    expect(alice.node).to_contain_text("The store is failing over. What you write is kept and will be sent.")
    wire.push(type="store", state="degraded", **state)
    expect(alice.node).to_contain_text("The store is degraded")
    wire.push(type="store", state="ok", **state)
    expect(alice.page.locator("#node-news")).to_be_empty()


def test_copies(alice: Visitor, room: str) -> None:
    """Where a message is on several servers, it says so."""
    wire = Wire(alice)
    wire.down = lambda frame: {**frame, "copies": 3} if frame["type"] == "stored" else frame
    alice.visit(room)
    alice.say("safe")
    expect(alice.message("safe").locator(".state")).to_have_text("on 3 servers")


def test_unavailable_then_stored(alice: Visitor, room: str) -> None:
    """A post that the store did not confirm goes again with its nonce and its age, and nothing overtakes it."""
    wire = Wire(alice)
    posts: list[Frame] = []

    def refuse_twice(frame: Frame) -> Frame | None:
        if frame["type"] != "post":
            return frame
        posts.append(frame)
        if len(posts) > 2:
            return frame
        wire.push(type="refused", id=frame["id"], code="unavailable", message="no", retry=True, retry_after_ms=None)
        return None

    wire.up = refuse_twice
    alice.visit(room)
    alice.say("one")
    alice.say("two")
    alice.settled()
    alice.sees("one", "two")
    assert [frame["text"] for frame in posts] == ["one", "one", "one", "two"]
    assert len({frame["nonce"] for frame in posts}) == 2
    assert ["age_ms" in frame for frame in posts] == [False, True, True, False]


def test_lost_push(alice: Visitor, invite: Invite, room: str) -> None:
    """A push that gets lost is noticed by the next, and what is missing is read from the cursor."""
    bob = invite("Bob")
    wire = Wire(alice)
    wire.down = lambda frame: None if frame["type"] == "entry" and frame["text"] == "lost" else frame
    alice.visit(room)
    bob.post(room, "first", "lost")
    alice.sees("first")
    bob.post(room, "third")
    alice.sees("first", "lost", "third")


def test_answer_that_is_lost(alice: Visitor, room: str) -> None:
    """A post whose acknowledgement is lost is settled by its own entry, and shown once."""
    wire = Wire(alice)
    wire.down = lambda frame: None if frame["type"] == "stored" else frame
    alice.visit(room)
    alice.say("one")
    alice.settled()
    alice.page.reload()
    alice.sees("one")
    alice.settled()


def test_outbox_without_web_locks(alice: Visitor, room: str) -> None:
    """Without Web Locks, as where the page came by plain http, drafts survive a reload all the same."""
    alice.page.add_init_script("Object.defineProperty(Navigator.prototype, 'locks', { get: () => undefined });")
    wire = Wire(alice)
    wire.up = lambda frame: None if frame["type"] == "post" else frame
    alice.visit(room)
    assert alice.page.evaluate("navigator.locks === undefined")
    alice.say("one")
    alice.say("two")
    alice.page.reload()
    expect(alice.log.locator("[aria-busy=true]")).to_have_count(2)
    wire.up = lambda frame: frame
    alice.page.reload()
    alice.settled()
    alice.sees("one", "two")


def test_diverged_log(alice: Visitor, room: str) -> None:
    """When the server can't go on from the page's cursor, the page starts over from a fresh view."""
    alice.post(room, "one", "two")
    wire = Wire(alice)

    def diverge(frame: Frame) -> Frame:
        if frame["type"] == "join" and frame["room"] == room:
            alice.post(room, "three")
            return {**frame, "cursor": "1:ffffffffffffffff"}
        return frame

    wire.up = diverge
    resets: list[bool] = []

    def note(frame: Frame) -> Frame:
        if frame["type"] == "joined" and frame["room"] == room:
            resets.append(frame["reset"])
        return frame

    wire.down = note
    alice.visit(room)
    alice.sees("one", "two", "three")
    assert resets == [True]
    alice.say("four")
    alice.sees("one", "two", "three", "four")
    alice.settled()


@pytest.mark.parametrize(
    ("code", "title", "way"),
    [
        (4500, "You are signed out", "Sign in"),
        (4501, "The chat was renewed", "Load again"),
        (4503, "Disconnected", "Connect again"),
    ],
)
def test_end(alice: Visitor, room: str, code: int, title: str, way: str) -> None:
    """After the codes that mean it the page does not come back by itself; it says why and offers the way."""
    wire = Wire(alice)
    alice.visit(room)
    opened = wire.socket
    alice.box.fill("half a thought")
    wire.socket.close(code=code, reason="test")
    dialog = alice.page.get_by_role("dialog", name=title)
    expect(dialog.get_by_role("link", name=way)).to_be_visible()
    alice.page.keyboard.press("Escape")
    expect(dialog).to_be_visible()
    expect(alice.node).to_contain_text("Not connected any more.")
    assert wire.socket is opened
    if code == 4503:
        dialog.get_by_role("link", name=way).click()
        alice.connected()
        expect(alice.box).to_have_value("half a thought")
