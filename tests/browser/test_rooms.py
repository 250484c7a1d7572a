"""Rooms: making them, going from one to the other, what is unread, who is there and who types."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from support.visitor import Invite


def test_make_and_switch(invite: Invite, room: str) -> None:
    """A new room is open at once, for others too; links, the back button and a reload lead where they say."""
    alice, bob = invite("Alice"), invite("Bob")
    alice.visit()
    bob.visit()
    title = f"Garden {room}"
    alice.page.get_by_role("button", name="New room").click()
    dialog = alice.page.get_by_role("dialog", name="New room")
    dialog.get_by_label("Name").fill(title)
    expect(dialog.get_by_label("Address")).to_have_value(f"garden-{room}")
    dialog.get_by_role("button", name="Create the room").click()
    expect(alice.page.get_by_role("heading", level=1)).to_have_text(title)
    expect(alice.page).to_have_url(re.compile(f"/rooms/garden-{room}$"))
    expect(alice.room_link(title)).to_have_attribute("aria-current", "page")
    alice.say("first")
    bob.room_link(title).click()
    bob.sees("first")
    bob.page.go_back()
    expect(bob.page.get_by_role("heading", level=1)).to_have_text("Lobby")
    bob.page.go_forward()
    bob.sees("first")
    bob.page.reload()
    bob.sees("first")
    bob.page.goto(f"{bob.url}/")
    bob.sees("first")


def test_taken_address(invite: Invite, room: str) -> None:
    """A room with an address that is in use is refused in the dialog, and nothing typed is lost."""
    alice = invite("Alice")
    alice.make_room(room)
    alice.visit()
    alice.page.get_by_role("button", name="New room").click()
    dialog = alice.page.get_by_role("dialog", name="New room")
    dialog.get_by_label("Name").fill("Another")
    dialog.get_by_label("Address").fill(room)
    alice.expect_refusal(409)
    dialog.get_by_role("button", name="Create the room").click()
    expect(dialog.get_by_role("alert")).not_to_be_empty()
    expect(dialog.get_by_label("Name")).to_have_value("Another")
    alice.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_unread(invite: Invite, room: str) -> None:
    """What is said elsewhere is counted at the room's link, until it is read, in every tab."""
    alice, bob = invite("Alice"), invite("Bob")
    alice.make_room(room, room)
    alice.visit(room)
    bob.visit(room)
    bob.room_link("Lobby").click()
    expect(bob.page.get_by_role("heading", level=1)).to_have_text("Lobby")
    other_tab = bob.open_tab()
    bob.visit("lobby", other_tab)
    alice.say("one")
    alice.say("two")
    expect(bob.room_link(room)).to_contain_text("2 unread")
    expect(bob.page).to_have_title(re.compile(r"^\(\d+\+?\) Lobby"))
    link = other_tab.get_by_role("navigation", name="Rooms").get_by_role("link", name=room)
    expect(link).to_contain_text("2 unread")
    bob.room_link(room).click()
    bob.sees("one", "two")
    expect(bob.page.get_by_role("separator", name="New messages")).to_be_visible()
    expect(bob.room_link(room)).not_to_contain_text("unread")
    expect(link).not_to_contain_text("unread")
    bob.say("three")
    expect(bob.page.get_by_role("separator", name="New messages")).to_have_count(0)
    bob.page.reload()
    bob.sees("one", "two", "three")
    expect(bob.room_link(room)).not_to_contain_text("unread")


def test_typing_and_roster(invite: Invite, room: str) -> None:
    """Who types and who is here is shown, and goes when they stop or leave."""
    alice, bob = invite("Alice"), invite("Bob")
    alice.make_room(room)
    alice.visit(room)
    bob.visit(room)
    people = alice.page.get_by_role("complementary", name="People")
    expect(people.get_by_role("listitem")).to_have_text([re.compile("^.{1,2}Alice.*you$"), re.compile("^.{1,2}Bob")])
    expect(alice.page.get_by_role("button", name="2 here now")).to_be_visible()
    bob.box.press_sequentially("hm")
    typing = alice.page.locator("#typing-text")
    expect(typing).to_have_text(f"{bob.name} is typing…")
    bob.box.press("Enter")
    expect(typing).to_be_empty()
    bob.page.close()
    expect(people.get_by_role("listitem")).to_have_count(1, timeout=10_000)


def test_private_room(invite: Invite, room: str) -> None:
    """A private room is seen by those who were added, from the moment they were, and by nobody else."""
    alice, bob, carol = invite("Alice"), invite("Bob"), invite("Carol")
    for visitor in (alice, bob, carol):
        visitor.visit()
    alice.page.get_by_role("button", name="New room").click()
    dialog = alice.page.get_by_role("dialog", name="New room")
    dialog.get_by_label("Name").fill(room)
    dialog.get_by_label("Private").check()
    dialog.get_by_role("button", name="Create the room").click()
    expect(alice.page.get_by_role("heading", level=1)).to_have_text(room)
    alice.say("a secret")
    alice.settled()
    alice.page.get_by_role("button", name="Add someone").click()
    added = alice.page.get_by_role("dialog", name="Add someone")
    alice.expect_refusal(404)
    added.get_by_label("E-mail").fill("nobody@example.org")
    added.get_by_role("button", name="Add", exact=True).click()
    expect(added.get_by_role("alert")).to_contain_text("no such account")
    added.get_by_label("E-mail").fill(bob.email)
    added.get_by_role("button", name="Add", exact=True).click()
    expect(added).to_be_hidden()
    bob.room_link(room).click()
    bob.sees("a secret")
    expect(carol.room_link(room)).to_have_count(0)
    carol.expect_refusal(403)
    carol.page.goto(f"{carol.url}/rooms/{room}")
    expect(carol.page.get_by_role("main")).to_contain_text("403")


def test_rename_and_archive(invite: Invite, room: str) -> None:
    """Its maker may rename and archive a room; then it can be read and not written to."""
    alice, bob = invite("Alice"), invite("Bob")
    alice.make_room(room)
    alice.visit(room)
    bob.visit(room)
    alice.say("last words")
    bob.sees("last words")
    expect(bob.page.get_by_role("button", name="Room settings")).to_be_hidden()
    alice.page.get_by_role("button", name="Room settings").click()
    dialog = alice.page.get_by_role("dialog", name="Room settings")
    dialog.get_by_label("Name").fill(f"Old {room}")
    dialog.get_by_label("Archived").check()
    dialog.get_by_role("button", name="Save").click()
    for visitor in (alice, bob):
        expect(visitor.page.get_by_role("heading", level=1)).to_have_text(f"Old {room}")
        expect(visitor.box).to_be_disabled()
    expect(alice.message("last words").get_by_role("toolbar", include_hidden=True)).to_be_hidden()


def test_unsent_words_stay_with_their_room(invite: Invite, room: str) -> None:
    """What was typed and not sent is there again when one comes back, also after a reload."""
    alice = invite("Alice")
    alice.make_room(room, room)
    alice.visit(room)
    alice.box.fill("half a thou")
    alice.room_link("Lobby").click()
    expect(alice.box).to_have_value("")
    alice.room_link(room).click()
    expect(alice.box).to_have_value("half a thou")
    alice.page.reload()
    expect(alice.box).to_have_value("half a thou")
