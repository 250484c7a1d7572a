"""Two people in one room: what one does, the other sees."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from support.visitor import Invite, Visitor


def pair(invite: Invite, room: str) -> tuple[Visitor, Visitor]:
    alice, bob = invite("Alice Liddell"), invite("Bob")
    alice.make_room(room, "Tea")
    return alice.visit(room), bob.visit(room)


def test_messages_go_both_ways(invite: Invite, room: str) -> None:
    """Each sees the other's and their own messages, in the same order, and again after a reload."""
    alice, bob = pair(invite, room)
    alice.say("hello Bob")
    bob.sees("hello Bob")
    bob.say("hello Alice")
    alice.sees("hello Bob", "hello Alice")
    bob.page.reload()
    bob.sees("hello Bob", "hello Alice")


def test_sending_then_stored(invite: Invite, room: str) -> None:
    """A message shows at once as busy, and is the same element when it is stored."""
    alice, _ = pair(invite, room)
    alice.page.evaluate("""() => {
        window.seen = [];
        new MutationObserver((records) => {
            for (const record of records)
                for (const node of record.addedNodes)
                    if (node.matches?.("article")) window.seen.push(node.getAttribute("aria-busy"));
        }).observe(document.getElementById("log"), { childList: true });
    }""")
    alice.say("one")
    message = alice.message("one")
    expect(message.locator(".state")).to_have_text("stored")
    expect(message).not_to_have_attribute("aria-busy", "true")
    assert alice.page.evaluate("window.seen") == ["true"]


def test_edit(invite: Invite, room: str) -> None:
    """An edit changes the words for both and says so; only the author is offered it."""
    alice, bob = pair(invite, room)
    alice.say("helo")
    bob.sees("helo")
    alice.act("helo", "Edit")
    expect(alice.box).to_have_value("helo")
    alice.say("hello")
    bob.sees("hello")
    alice.sees("hello")
    expect(bob.message("hello").get_by_text("edited")).to_be_visible()
    expect(bob.message("hello").get_by_role("button", name="Edit", include_hidden=True)).to_be_hidden()
    expect(alice.box).to_have_value("")


def test_delete(invite: Invite, room: str) -> None:
    """A deleted message keeps its place and loses its words, after a question."""
    alice, bob = pair(invite, room)
    for text in ("one", "two", "three"):
        bob.say(text)
    bob.settled()
    bob.act("two", "Delete")
    bob.page.get_by_role("button", name="Cancel").click()
    alice.sees("one", "two", "three")
    bob.act("two", "Delete")
    dialog = bob.page.get_by_role("dialog", name="Delete this?")
    expect(dialog).to_contain_text("two")
    dialog.get_by_role("button", name="Delete").click()
    alice.sees("one", "This message was deleted.", "three")
    expect(alice.message("This message was deleted.").get_by_role("toolbar")).to_be_hidden()


def test_moderator_deletes(invite: Invite, room: str) -> None:
    """Who made the room may delete what others wrote; the others may not."""
    alice, bob = pair(invite, room)
    bob.say("rude")
    alice.say("polite")
    alice.sees("rude", "polite")
    bob.sees("rude", "polite")
    expect(bob.message("polite").get_by_role("button", name="Delete", include_hidden=True)).to_be_hidden()
    alice.act("rude", "Delete")
    alice.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    bob.sees("This message was deleted.", "polite")


def test_reactions(invite: Invite, room: str) -> None:
    """Reactions are counted, one's own is pressed, a second click takes it back."""
    alice, bob = pair(invite, room)
    alice.say("hello")
    bob.sees("hello")
    bob.react("hello", "party")
    reaction = alice.message("hello").get_by_role("button", name=f"party: {bob.name}")
    expect(reaction).to_have_attribute("aria-pressed", "false")
    reaction.click()
    expect(bob.message("hello").locator(".reaction")).to_have_text("🎉2")
    expect(alice.message("hello").locator(".reaction")).to_have_attribute("aria-pressed", "true")
    alice.message("hello").locator(".reaction").click()
    expect(bob.message("hello").locator(".reaction")).to_have_text("🎉1")
    bob.act("hello", "React")
    bob.page.get_by_label("Another emoji").fill("🦆 and more")
    bob.page.get_by_role("button", name="Use", exact=True).click()
    expect(alice.message("hello").locator(".reaction")).to_have_text(["🎉1", "🦆1"])
    alice.page.reload()
    expect(alice.message("hello").locator(".reaction")).to_have_text(["🎉1", "🦆1"])


def test_reply(invite: Invite, room: str) -> None:
    """A reply quotes what it answers, counts there, and leads back to it."""
    alice, bob = pair(invite, room)
    alice.say("a question")
    bob.sees("a question")
    bob.act("a question", "Reply")
    expect(bob.page.locator("#composer-context")).to_contain_text("a question")
    bob.say("an answer")
    quote = alice.message("an answer").get_by_role("button", name="In reply to Alice Liddell")
    expect(quote).to_contain_text("a question")
    expect(alice.message("a question")).to_contain_text("1 reply")
    quote.click()
    expect(alice.page.locator("article:focus")).to_contain_text("a question")


def test_refused_for_good(invite: Invite, room: str) -> None:
    """What is refused stays with its reason, and can be tried again or discarded."""
    alice, bob = pair(invite, room)
    bob.say("short-lived")
    alice.sees("short-lived")
    alice.act("short-lived", "Reply")
    bob.settled()
    bob.act("short-lived", "Delete")
    bob.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    alice.sees("This message was deleted.")
    alice.say("too late")
    failed = alice.message("too late")
    expect(failed).to_contain_text("Not sent:")
    expect(failed).not_to_have_attribute("aria-busy", "true")
    alice.say("but this goes")
    bob.sees("This message was deleted.", "but this goes")
    failed.get_by_role("button", name="Try again").click()
    expect(alice.message("too late").get_by_role("button", name="Discard")).to_be_visible()
    alice.message("too late").get_by_role("button", name="Discard").click()
    alice.sees("This message was deleted.", "but this goes")


def test_nothing_typed_is_markup(invite: Invite, room: str) -> None:
    """Text, names and titles stay text, in the page and in its JSON block."""
    attacks = [
        "<img src=x onerror=alert(1)>",
        "</script><script>alert(1)</script>",
        "<!--<script>",
        "javascript:alert(1)",
        '"><svg onload=alert(1)>',
        'https://x.example/"onmouseover="alert(1)',
        "`<b>code</b>`",
    ]
    alice = invite("<i>Mallory</i>")
    bob = invite("Bob")
    alice.make_room(room, "<b>Tea</b>")
    alice.visit(room)
    for text in attacks:
        alice.say(text)
    alice.settled()
    bob.visit(room)
    shown = [text.strip("`") for text in attacks]
    bob.sees(*shown)
    alice.page.reload()
    alice.sees(*shown)
    expect(bob.page.get_by_role("heading", name="<b>Tea</b>")).to_be_visible()
    for visitor in (alice, bob):
        assert visitor.page.locator("#log :is(img, script, b:not(.reaction b), i, svg[onload])").count() == 0
        hrefs = visitor.page.locator("#log .text a").evaluate_all("links => links.map((link) => link.href)")
        assert hrefs == ["https://x.example/"]


def test_links(invite: Invite, room: str) -> None:
    """An address becomes a link that opens elsewhere and tells the other side nothing."""
    alice, _ = pair(invite, room)
    alice.say("see https://example.org/a?b=1.")
    link = alice.log.get_by_role("link", name="https://example.org/a?b=1")
    expect(link).to_have_attribute("rel", "noopener noreferrer nofollow")
    expect(link).to_have_attribute("target", "_blank")
    expect(link).to_have_text("https://example.org/a?b=1")


def test_older_pages(invite: Invite, room: str) -> None:
    """Scrolling up brings older messages without a jump, down to the first; the DOM stays small."""
    alice = invite("Alice")
    alice.make_room(room)
    texts = [f"message number {number}" for number in range(1, 421)]
    alice.post(room, *texts)
    alice.visit(room)
    expect(alice.message(texts[-1])).to_be_in_viewport()
    log = alice.log
    first = log.get_by_text("message number 1", exact=True)
    for _ in range(60):
        before = log.evaluate("""(log) => {
            log.scrollTop = 10;
            const top = log.getBoundingClientRect().top;
            const seen = (each) => each.getBoundingClientRect().bottom > top + 5;
            const article = [...log.querySelectorAll("article")].find(seen);
            window.watched = article;
            return article.getBoundingClientRect().top;
        }""")
        alice.page.wait_for_timeout(30)
        after = log.evaluate("() => window.watched.getBoundingClientRect().top")
        assert abs(after - before) < 2, "the place was not kept"
        if first.count():
            break
    expect(first).to_be_visible()
    expect(log).to_contain_text(f"This is where {room} begins.")
    assert log.locator("article").count() <= 300
    shown = [int(text.split()[-1]) for text in alice.texts()]
    assert shown == list(range(1, len(shown) + 1))
    alice.page.get_by_role("button", name="Newest").click()
    expect(alice.message(texts[-1])).to_be_in_viewport()


def test_scrolled_up_stays(invite: Invite, room: str) -> None:
    """Who reads further up is not moved by a new message; a button tells of it and leads there."""
    alice, bob = invite("Alice"), invite("Bob")
    alice.make_room(room)
    alice.post(room, *[f"line {number}" for number in range(60)])
    alice.visit(room)
    bob.visit(room)
    alice.log.evaluate("(log) => { log.scrollTop = log.scrollHeight / 2; }")
    place = alice.log.evaluate("(log) => log.scrollTop")
    bob.say("are you there?")
    button = alice.page.get_by_role("button", name="1 new message")
    expect(button).to_be_visible()
    assert alice.log.evaluate("(log) => log.scrollTop") == place
    button.click()
    expect(alice.message("are you there?")).to_be_in_viewport()
    expect(button).to_be_hidden()
    expect(alice.page.get_by_role("separator", name="New messages")).to_be_visible()


def test_much_at_once(invite: Invite, room: str) -> None:
    """Five hundred messages that came while the line was down are caught up in order, and the page stays quick."""
    alice, bob = invite("Alice"), invite("Bob")
    alice.make_room(room)
    bob.hold_sockets()
    bob.visit(room)
    bob.go_away()
    texts = [f"message {number}" for number in range(1, 521)]
    alice.post(room, *texts)
    bob.page.evaluate("""() => {
        window.longest = 0;
        new PerformanceObserver((list) => {
            for (const task of list.getEntries()) window.longest = Math.max(window.longest, task.duration);
        }).observe({ entryTypes: ["longtask"] });
    }""")
    bob.come_back()
    expect(bob.message(texts[-1])).to_be_in_viewport(timeout=40_000)
    shown = bob.texts()
    assert 80 <= len(shown) < 200, "what is drawn at once is about as much as a room opens with"
    assert shown == texts[-len(shown) :]
    assert bob.page.evaluate("window.longest") < 500
    bob.message(shown[0]).scroll_into_view_if_needed()
    expect(bob.message(texts[-len(shown) - 1])).to_be_attached()


def test_much_at_once_scrolled_up(invite: Invite, room: str) -> None:
    """Who reads further up while five hundred messages come stays there, and can read on from there to the last."""
    alice, bob = invite("Alice"), invite("Bob")
    alice.make_room(room)
    alice.post(room, *[f"line {number}" for number in range(60)])
    bob.hold_sockets()
    bob.visit(room)
    bob.log.evaluate("(log) => { log.scrollTop = log.scrollHeight / 2; }")
    place = bob.log.evaluate("(log) => log.scrollTop")
    bob.go_away()
    texts = [f"message {number}" for number in range(1, 521)]
    alice.post(room, *texts)
    bob.come_back()
    button = bob.page.get_by_role("button", name="99+ new messages")
    expect(button).to_be_visible(timeout=40_000)
    assert bob.log.evaluate("(log) => log.scrollTop") == place
    assert bob.texts() == [*(f"line {number}" for number in range(60)), *texts[:80]]
    expect(bob.page.get_by_role("separator", name="New messages")).to_have_count(1)
    bob.log.evaluate("(log) => { log.scrollTop = log.scrollHeight; }")
    expect(bob.message(texts[100])).to_be_attached()
    button.click()
    expect(bob.message(texts[-1])).to_be_in_viewport()
    expect(button).to_be_hidden()
    shown = bob.texts()
    assert shown == texts[-len(shown) :]


def test_composer_is_left_alone(invite: Invite, room: str) -> None:
    """What comes does not touch the box that one writes in: to fit it lays the whole page out, once a message."""
    alice, bob = pair(invite, room)
    alice.box.fill("half a sen")
    alice.page.evaluate("""() => {
        window.touched = 0;
        const box = document.querySelector("#composer textarea");
        new MutationObserver((records) => { window.touched += records.length; }).observe(box, { attributes: true });
    }""")
    texts = [f"message {number}" for number in range(5)]
    bob.post(room, *texts)
    alice.sees(*texts)
    assert alice.page.evaluate("window.touched") == 0
    alice.box.fill("two\nlines")
    alice.page.wait_for_function("() => window.touched > 0")


def test_composer_fits_a_turned_phone(invite: Invite, room: str) -> None:
    """What is half written is seen whole when the page becomes narrower."""
    alice, _ = pair(invite, room)
    alice.page.set_viewport_size({"width": 800, "height": 600})
    alice.box.fill("some words " * 12)
    alice.page.set_viewport_size({"width": 360, "height": 600})
    alice.page.wait_for_function("""() => {
        const box = document.querySelector("#composer textarea");
        return box.scrollHeight <= box.clientHeight && box.clientHeight > 60;
    }""")


def test_counter_and_limit(invite: Invite, room: str) -> None:
    """Near the limit the characters left are shown; past it nothing is sent."""
    alice, _ = pair(invite, room)
    alice.box.fill("x" * 3990)
    expect(alice.page.locator("#composer-count")).to_have_text("10 left")
    alice.box.fill("x" * 4001)
    expect(alice.page.locator("#composer-count")).to_have_text("1 too many")
    alice.box.press("Enter")
    expect(alice.box).to_have_value("x" * 4001)
    alice.box.fill("👍" * 4000)
    alice.box.press("Enter")
    alice.settled()
    assert len(alice.texts()[0]) == 4000


def test_lines_and_days(invite: Invite, room: str) -> None:
    """Shift+Enter breaks a line; messages of one author stand together under one day."""
    alice, _ = pair(invite, room)
    alice.box.fill("one")
    alice.box.press("Shift+Enter")
    alice.box.type("two")
    alice.box.press("Enter")
    alice.say("three")
    alice.sees("one\ntwo", "three")
    assert [
        bool(re.search(r"\bcont\b", names))
        for names in alice.log.locator("article").evaluate_all("all => all.map((each) => each.className)")
    ] == [False, True]
    expect(alice.log.get_by_role("separator")).to_have_text(["Today"])
