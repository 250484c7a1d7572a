"""The page for everyone: keyboard, screen reader, small screens, both themes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from support.visitor import PASSWORD, Invite

SIZES = [(360, 640), (1440, 900)]

AUDIT = (Path(__file__).parent / "audit.js").read_text()
UNNAMED = f"() => {{ {AUDIT}; return unnamed(); }}"
CONTRAST = f"() => {{ {AUDIT}; return poorContrast(); }}"


def test_keyboard_alone(invite: Invite, room: str) -> None:
    """Writing, editing, reacting, answering, deleting, changing rooms: no mouse."""
    alice = invite("Alice")
    alice.make_room(room, room)
    alice.visit(room)
    keys = alice.page.keyboard
    expect(alice.box).to_be_focused()
    keys.type("helo")
    keys.press("Enter")
    alice.settled()
    keys.press("ArrowUp")
    expect(alice.box).to_have_value("helo")
    keys.press("Escape")
    expect(alice.box).to_have_value("")
    keys.press("ArrowUp")
    keys.press("ControlOrMeta+A")
    keys.type("hello")
    keys.press("Enter")
    alice.sees("hello")
    alice.settled()

    def to_message() -> None:
        alice.log.focus()
        keys.press("ArrowUp")
        expect(alice.page.locator("article:focus")).to_contain_text("hello")

    to_message()
    keys.press("Tab")
    expect(alice.page.locator(":focus")).to_have_accessible_name("React")
    keys.press("Enter")
    expect(alice.page.locator(":focus")).to_have_accessible_name("thumbs up")
    keys.press("ArrowRight")
    keys.press("ArrowDown")
    keys.press("ArrowUp")
    expect(alice.page.locator(":focus")).to_have_accessible_name("heart")
    keys.press("Enter")
    expect(alice.message("hello").get_by_role("button", name="heart: you")).to_be_visible()
    expect(alice.page.locator(":focus")).to_have_accessible_name("React")
    keys.press("Tab")
    expect(alice.page.locator(":focus")).to_have_accessible_name("Reply")
    keys.press("Enter")
    expect(alice.box).to_be_focused()
    keys.type("to myself")
    keys.press("Enter")
    alice.sees("hello", "to myself")
    alice.settled()
    alice.log.focus()
    keys.press("ArrowUp")
    keys.press("Home")
    keys.press("End")
    expect(alice.page.locator("article:focus")).to_contain_text("to myself")
    alice.page.locator("article:focus").get_by_role("button", name="Delete").focus()
    keys.press("Enter")
    expect(alice.page.get_by_role("dialog")).to_be_visible()
    alice.page.get_by_role("button", name="Delete", exact=True).last.focus()
    keys.press("Enter")
    alice.sees("hello", "This message was deleted.")
    alice.room_link("Lobby").focus()
    keys.press("Enter")
    expect(alice.page.get_by_role("heading", level=1)).to_have_text("Lobby")


def test_tab_order_is_short(invite: Invite, room: str) -> None:
    """However many messages there are, the log is few stops, and the first leads past everything."""
    alice = invite("Alice")
    alice.make_room(room)
    alice.post(room, *[f"line {number}" for number in range(40)])
    alice.visit(room)
    skip = alice.page.get_by_role("link", name="Skip to the message box")
    first = alice.page.evaluate("document.querySelector('a[href], button, input, [tabindex]').className")
    assert first == "skip"
    skip.focus()
    expect(skip).to_be_in_viewport()
    alice.page.keyboard.press("Enter")
    expect(alice.box).to_be_focused()
    stops = alice.log.evaluate("""(log) => [log, ...log.querySelectorAll("*")].filter((each) => each.tabIndex >= 0
        && each.matches("[tabindex], a[href], button") && each.checkVisibility()).length""")
    assert stops <= 2


def test_focus_is_seen(invite: Invite, room: str) -> None:
    """Wherever the focus goes by Tab, something marks it."""
    alice = invite("Alice")
    alice.make_room(room)
    alice.visit(room)
    alice.say("hello")
    alice.settled()
    alice.page.evaluate("document.activeElement.blur()")
    for _ in range(25):
        alice.page.keyboard.press("Tab")
        mark = alice.page.evaluate("""() => {
            const element = document.activeElement;
            if (element === document.body) return "outside";
            const style = getComputedStyle(element);
            if (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) return "outline";
            const box = element.closest(".composer-box");
            return box ? getComputedStyle(box).boxShadow : "none";
        }""")
        assert mark != "none", alice.page.evaluate("document.activeElement.outerHTML.slice(0, 200)")


def test_only_new_messages_are_announced(invite: Invite, room: str) -> None:
    """Not the history, not older pages, not one's own, not after a change of rooms, and each but once."""
    alice, bob = invite("Alice"), invite("Bob")
    alice.make_room(room, room)
    alice.post(room, *[f"old {number}" for number in range(120)])
    alice.visit(room)
    bob.visit(room)
    assert alice.announced == []
    expect(alice.log).to_have_attribute("aria-live", "off")
    alice.say("my own")
    bob.sees_last("my own")
    bob.say("news")
    alice.sees_last("news")
    assert alice.announced == [f"{bob.name}: news"]
    bob.act("news", "Edit")
    bob.say("newer")
    alice.sees_last("newer")
    bob.react("newer", "heart")
    expect(alice.log.locator(".reaction")).to_have_count(1)
    alice.log.evaluate("(log) => { log.scrollTop = 0; }")
    expect(alice.log.get_by_text("old 60", exact=True)).to_be_attached()
    alice.room_link("Lobby").click()
    expect(alice.page.get_by_role("heading", level=1)).to_have_text("Lobby")
    bob.say("unheard")
    expect(alice.room_link(room)).to_contain_text("1 unread")
    alice.room_link(room).click()
    alice.sees_last("unheard")
    assert alice.announced == [f"{bob.name}: news"]
    region = alice.page.locator("#announcer")
    expect(region).to_have_attribute("aria-live", "polite")


def test_roles_and_names(invite: Invite, room: str) -> None:
    """What tools and readers look for is there, once, and everything that can be used has a name."""
    alice = invite("Alice")
    alice.make_room(room, room)
    alice.visit(room)
    alice.say("hello")
    alice.settled()
    page = alice.page
    for role, name in [
        ("log", None),
        ("status", "Node"),
        ("navigation", "Rooms"),
        ("textbox", "Message"),
        ("main", None),
    ]:
        expect(page.get_by_role(role, name=name) if name else page.get_by_role(role)).to_have_count(1)
    message = page.get_by_role("article")
    expect(message).to_have_accessible_name(re.compile(rf"^{alice.name}, \d"))
    expect(message).to_contain_text("hello")
    expect(message.locator("time")).to_have_attribute("datetime", re.compile(r"^\d{4}-\d\d-\d\dT.*Z$"))
    expect(alice.node).to_have_text("page from web0 (127.0.0.1) · socket on web0 (127.0.0.1)", use_inner_text=True)
    assert page.evaluate(UNNAMED) == []
    page.get_by_role("button", name="New room").click()
    assert page.evaluate(UNNAMED) == []
    assert page.evaluate("document.documentElement.lang") == "en"
    duplicates = page.evaluate("""() => {
        const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
        return ids.filter((id, index) => ids.indexOf(id) !== index);
    }""")
    assert duplicates == []


def test_dialog_holds_the_focus(invite: Invite, room: str) -> None:
    """Tab does not leave an open dialog, and closing it gives the focus back."""
    alice = invite("Alice")
    alice.make_room(room)
    alice.visit(room)
    opener = alice.page.get_by_role("button", name="New room")
    opener.focus()
    alice.page.keyboard.press("Enter")
    for _ in range(12):
        alice.page.keyboard.press("Tab")
        assert alice.page.evaluate(
            "document.activeElement === document.body || document.activeElement.closest('dialog') !== null"
        )
    alice.page.keyboard.press("Escape")
    expect(opener).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_contrast_and_width(invite: Invite, room: str, scheme: str, width: int, height: int) -> None:
    """Text has the contrast of WCAG AA in both themes, and nothing makes the page wider than the screen."""
    alice = invite("Alice Liddell", color_scheme=scheme, viewport={"width": width, "height": height})
    bob = invite("Bob")
    alice.make_room(room, "A room with quite a long name that does not end soon")
    bob.visit(room)
    alice.visit(room)
    bob.say("x" * 300)
    bob.say("https://example.org/" + "y" * 300)
    bob.say("```\n" + "code " * 60 + "\n``` and `inline`")
    alice.sees_last("and inline", exact=False)
    alice.react("x" * 300, "fire") if width > 400 else None
    alice.say("mine")
    alice.settled()
    bob.sees_last("mine")
    bob.act("mine", "Reply")
    bob.say("an answer")
    bob.settled()
    bob.act("an answer", "Edit")
    bob.say("a better answer")
    alice.sees_last("a better answer")
    assert alice.page.evaluate("document.documentElement.scrollWidth") <= width
    assert alice.log.evaluate("(log) => log.scrollWidth <= log.clientWidth")
    assert alice.page.evaluate(CONTRAST) == []
    if width < 400:
        alice.page.get_by_role("button", name="Rooms", exact=True).click()
        assert alice.page.evaluate(CONTRAST) == []


def test_phone(invite: Invite, room: str) -> None:
    """On a phone the rooms and the people are drawers, the targets are large, and tapping a message shows its tools."""
    alice = invite("Alice", viewport={"width": 360, "height": 640}, has_touch=True, is_mobile=True)
    alice.make_room(room, room)
    alice.visit(room)
    alice.say("hello")
    alice.settled()
    expect(alice.room_link("Lobby")).to_be_hidden()
    small = alice.page.evaluate("""() => [...document.querySelectorAll("button, .rooms a, textarea")]
        .filter((each) => each.checkVisibility({ visibilityProperty: true, opacityProperty: true }))
        .map((each) => [each.getBoundingClientRect(), each.outerHTML.slice(0, 80)])
        .filter(([box]) => box.width < 43.5 || box.height < 39.5).map(([, html]) => html)""")
    assert small == []
    tools = alice.message("hello").get_by_role("toolbar", include_hidden=True)
    assert tools.evaluate("(each) => getComputedStyle(each).opacity") == "0"
    alice.message("hello").tap()
    expect(tools).to_have_css("opacity", "1")
    menu = alice.page.get_by_role("button", name="Rooms", exact=True)
    menu.tap()
    expect(menu).to_have_attribute("aria-expanded", "true")
    expect(alice.room_link("Lobby")).to_be_visible()
    alice.page.keyboard.press("Escape")
    expect(alice.room_link("Lobby")).to_be_hidden()
    menu.tap()
    alice.room_link("Lobby").tap()
    expect(alice.page.get_by_role("heading", level=1)).to_have_text("Lobby")
    expect(alice.room_link("Lobby")).to_be_hidden()
    alice.page.get_by_role("button", name="here now").tap()
    expect(alice.page.get_by_role("complementary", name="People").get_by_text("you", exact=True)).to_be_visible()
    alice.page.get_by_role("button", name="Close").tap()
    expect(alice.page.get_by_role("complementary", name="People")).to_be_hidden()


def test_reduced_motion(invite: Invite, room: str) -> None:
    """Who wants no motion gets none."""
    alice = invite("Alice", reduced_motion="reduce")
    alice.make_room(room)
    alice.visit(room)
    duration = alice.page.locator(".typing-dots i").first.evaluate("(each) => getComputedStyle(each).animationDuration")
    assert float(duration.removesuffix("s")) < 0.01


def test_forms(page: Page, site: str) -> None:
    """Signing up and in by the keyboard, from a room's address and back to it; errors stand at their fields."""
    page.goto(f"{site}/rooms/lobby")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.get_by_role("link", name="Make an account").click()
    email = f"forms-{id(page)}@example.org"
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Name").fill("x" * 41)
    page.get_by_label("Name").evaluate(
        "(field) => { field.removeAttribute('maxlength'); field.value = 'x'.repeat(41); }"
    )
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    field = page.get_by_label("Name")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description(re.compile("40 characters"))
    expect(page.get_by_label("E-mail")).to_have_value(email)
    field.fill("Forms")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{site}/rooms/lobby")
    expect(page.locator("#node")).to_have_attribute("data-state", "open")
    expect(page.locator("#toasts")).to_contain_text("Welcome, Forms")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill("wrong password")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Password")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{site}/")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/auth/sign_in", "/auth/sign_up", "/cluster", "/nothing-here"])
def test_other_pages(invite: Invite, path: str, scheme: str) -> None:
    """The pages beside the chat have names, contrast and fit a phone, too."""
    alice = invite("Alice", color_scheme=scheme, viewport={"width": 360, "height": 640})
    if path.startswith("/auth"):
        alice.context.clear_cookies()
    if path == "/nothing-here":
        alice.expect_refusal(404)
    alice.page.goto(f"{alice.url}{path}")
    expect(alice.page.get_by_role("heading", level=1)).to_be_visible()
    assert alice.page.evaluate(UNNAMED) == []
    assert alice.page.evaluate(CONTRAST) == []
    assert alice.page.evaluate("document.documentElement.scrollWidth") <= 360


def test_without_script(invite: Invite) -> None:
    """Without JavaScript the page says what it needs."""
    alice = invite("Alice", java_script_enabled=False)
    alice.page.goto(f"{alice.url}/")
    expect(alice.page.locator("noscript p")).to_have_text(re.compile("The chat needs JavaScript."))
    expect(alice.page.locator("noscript p")).to_be_visible()
