"""A person at a real browser: what they do on the page, and what they find there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
QUIETLY = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PASSWORD = "correct horse battery"
CHANGED = "net::ERR_NETWORK_CHANGED"
"""What Chromium says when the machine has got or lost a network interface, whoever made it."""
NETWORK = re.compile(r"Failed to load resource: net::|WebSocket connection to .* failed")

SOCKETS = """
window.sockets = [];
window.WebSocket = class extends WebSocket {
    constructor(...all) {
        super(...all);
        window.sockets.push(this);
        if (window.away) this.close();
    }
};
"""
"""Every socket that a page makes is known, and while it is away none comes about."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, driven by Playwright, without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIETLY)
        yield browser
        browser.close()


class Visitor:
    """
    Signed up, and on the page of a room once ``visit`` has returned.

    Everything that the browser complains about is kept in ``complaints``; what it says of the network while the
    server is away is left out after ``expect_outage``.
    """

    def __init__(self, browser: Browser, url: str, name: str, **context: Any) -> None:
        self.url = url
        self.name = name
        self.context = browser.new_context(**context)
        self.context.set_default_timeout(10_000)
        self.complaints: list[str] = []
        self._outage = False
        self._refusals: list[str] = []
        self.email = f"{uuid4().hex[:12]}@example.org"
        account = {"email": self.email, "password": PASSWORD, "name": name}
        answer = self.context.request.post(f"{url}/api/v1/accounts", data=account)
        assert answer.status == 201, answer.text()
        self.id: str = answer.json()["id"]
        self.name = answer.json()["name"]
        self.sign_in()
        self.page = self.open_tab()

    def sign_in(self) -> None:
        """Begin a session, without a form."""
        credentials = {"email": self.email, "password": PASSWORD}
        answer = self.context.request.post(f"{self.url}/api/v1/sessions", data=credentials)
        assert answer.status == 201, answer.text()
        self.csrf: str = answer.json()["csrf_token"]

    def open_tab(self) -> Page:
        """A further tab of the same browser."""
        page = self.context.new_page()
        page.on("console", lambda message: self._heard(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        return page

    def _heard(self, kind: str, text: str) -> None:
        excused = (
            CHANGED in text
            or (self._outage and NETWORK.search(text))
            or any(f"status of {status}" in text for status in self._refusals)
        )
        if kind in ("error", "warning") and not excused:
            self.complaints.append(f"{kind}: {text}")

    def expect_outage(self) -> None:
        """From here on the browser may find the server away."""
        self._outage = True

    def expect_refusal(self, status: int) -> None:
        """From here on an answer with this status is what the test wants."""
        self._refusals.append(str(status))

    def hold_sockets(self) -> None:
        """Before a visit: have a hand on the sockets of this page."""
        self.page.add_init_script(SOCKETS)

    def go_away(self) -> None:
        """Lose the line until ``come_back``. What a browser calls offline leaves the sockets that are open alone."""
        self.expect_outage()
        self.page.evaluate("() => { window.away = true; window.sockets.forEach((socket) => socket.close()); }")

    def come_back(self) -> None:
        """Have a line again, and know of it at once."""
        self.page.evaluate("() => { window.away = false; window.dispatchEvent(new Event('online')); }")

    # What they do

    def visit(self, room: str = "lobby", page: Page | None = None) -> Visitor:
        (page or self.page).goto(f"{self.url}/rooms/{room}")
        self.connected(page)
        return self

    def connected(self, page: Page | None = None) -> None:
        expect((page or self.page).locator("#node")).to_have_attribute("data-state", "open", timeout=20_000)

    def say(self, text: str) -> None:
        self.box.fill(text)
        self.box.press("Enter")

    def act(self, text: str, action: str) -> None:
        """Use a button of the message that says ``text``."""
        message = self.message(text)
        message.hover()
        message.get_by_role("button", name=action, exact=True).click()

    def react(self, text: str, emoji_name: str) -> None:
        self.act(text, "React")
        self.page.get_by_role("dialog", name="Pick an emoji").get_by_role("button", name=emoji_name, exact=True).click()

    def make_room(self, room: str, title: str | None = None, *, private: bool = False) -> str:
        """Make a room, without the dialog."""
        answer = self.context.request.post(
            f"{self.url}/api/v1/rooms",
            data={"id": room, "title": title or room, "private": private},
            headers={"x-csrf-token": self.csrf},
        )
        assert answer.status == 201, answer.text()
        return room

    def post(self, room: str, *texts: str) -> list[int]:
        """Post messages, without the page and without the browser, which takes its time; returns their offsets."""
        cookies = {cookie["name"]: cookie["value"] for cookie in self.context.cookies(self.url)}
        offsets = []
        with httpx.Client(base_url=self.url, cookies=cookies, headers={"x-csrf-token": self.csrf}) as client:
            for text in texts:
                answer = client.post(f"/api/v1/rooms/{room}/entries", json={"nonce": uuid4().hex, "text": text})
                assert answer.status_code == 201, answer.text
                offsets.append(answer.json()["offset"])
        return offsets

    # What they find

    @property
    def box(self) -> Locator:
        return self.page.get_by_role("textbox", name="Message")

    @property
    def log(self) -> Locator:
        return self.page.get_by_role("log")

    @property
    def node(self) -> Locator:
        return self.page.get_by_role("status", name="Node")

    @property
    def announced(self) -> list[str]:
        return self.page.locator("#announcer p").all_text_contents()

    def message(self, text: str) -> Locator:
        words = self.page.locator(".text", has_text=re.compile(f"^{re.escape(text)}$"))
        return self.log.get_by_role("article").filter(has=words).last

    def room_link(self, title: str) -> Locator:
        return self.page.get_by_role("navigation", name="Rooms").get_by_role("link", name=title)

    def texts(self) -> list[str]:
        """What the messages say, from top to bottom."""
        return self.log.locator("article .text").all_text_contents()

    def sees(self, *texts: str, timeout_s: float = 10) -> None:
        """Wait until these, in this order and each once, are all that the log shows."""
        try:
            expect(self.log.locator("article .text")).to_have_text(list(texts), timeout=timeout_s * 1000)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.name}'s page:\n{self.page.locator('body').inner_text()}") from None

    def sees_last(self, text: str, *, exact: bool = True) -> None:
        """Wait until this is the newest message."""
        last = self.log.locator("article .text").last
        expect(last).to_have_text(text) if exact else expect(last).to_contain_text(text)

    def settled(self, timeout_s: float = 20) -> None:
        """Wait until nothing is on its way any more."""
        expect(self.log.locator("[aria-busy=true]")).to_have_count(0, timeout=timeout_s * 1000)


Invite = Callable[..., Visitor]
