"""
Makes the pictures of the documents from a real running chat: run it by ``script/screenshot``.

Starts a server on a free port with a temporary store, lets a few people talk through ``datchat.client``, opens the
page in Chromium as one of them, and writes ``chat.png`` (wide, light) and ``phone.png`` (narrow, dark) beside itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from playwright.async_api import Browser, async_playwright

from datchat.client import Api, Client, Room

HERE = Path(__file__).parent
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
PASSWORD = "correct horse battery"
PEOPLE = ("Ada", "Grace", "Linus", "Margaret")
READER = "Ada"
ROOMS = {"deploys": "Deploys", "on-call": "On call", "lunch": "Lunch"}

Said = tuple[str, str, int | None]
"""Who, what, and which of the talk's lines it replies to."""

TALK: list[Said] = [
    ("Margaret", "Drill in five minutes: I'll take the power from the lobby's server. Please keep typing.", None),
    ("Linus", "With -9?", None),
    ("Margaret", "With -9. Nothing polite.", None),
    ("Grace", "What do I look at?", None),
    ("Ada", "The corner. It says which node you're on, and that it's gone. What you write waits there.", 3),
    ("Linus", "So when it's back I get everything twice?", None),
    ("Ada", "Once. Each message carries its own nonce, and the log knows it.", 5),
    ("Margaret", "And if you don't believe it: https://en.wikipedia.org/wiki/Hash_chain, then datchat verify.", None),
    ("Grace", "Typing through a crash. I like this job.", None),
]
REACTIONS = [
    ("Grace", 2, "👀"),
    ("Linus", 2, "😬"),
    ("Grace", 6, "🎉"),
    ("Linus", 6, "🎉"),
    ("Margaret", 6, "👍"),
    ("Ada", 8, "❤️"),
]
ELSEWHERE = {"deploys": ["web0 is on 0.1.0", "Rolling it back was one command, too."], "lunch": ["Soup?"]}


@contextlib.asynccontextmanager
async def serving(data: str) -> AsyncIterator[str]:
    """A server of its own; gives its URL."""
    command = (str(Path(sys.executable).with_name("datchat")), "serve", "--port", "0", "--data", data)
    options = ("--password-hash", "cheap", "--log-level", "error", "--post-rate", "0")
    server = await asyncio.create_subprocess_exec(*command, *options, stdout=asyncio.subprocess.PIPE)
    assert server.stdout is not None
    try:
        first = (await server.stdout.readline()).decode()
        yield first.split()[-1]
    finally:
        server.terminate()
        await server.wait()


async def arrive(url: str, stack: contextlib.AsyncExitStack) -> dict[str, Client]:
    """Sign everybody up and in, and open a socket for each."""
    clients = {}
    api = await stack.enter_async_context(Api(url))
    for name in PEOPLE:
        email = f"{name.lower()}@example.org"
        await api.sign_up(email, PASSWORD, name)
        session = await api.sign_in(email, PASSWORD)
        clients[name] = await stack.enter_async_context(Client(url, session.token))
    for room, title in ROOMS.items():
        await api.create_room(session.token, room, title)
    return clients


async def talk(clients: dict[str, Client]) -> dict[str, Room]:
    """Say it all; returns everybody's lobby."""
    lobbies = {name: await client.join("lobby") for name, client in clients.items()}
    offsets: list[int] = []
    for name, text, answers in TALK:
        stored = await lobbies[name].post(text, reply_to=None if answers is None else offsets[answers])
        offsets.append(stored.offset)
    for name, line, emoji in REACTIONS:
        await lobbies[name].react(offsets[line], emoji)
    lobbies[READER].read(offsets[-1])
    for room, texts in ELSEWHERE.items():
        there = await clients["Linus"].join(room)
        for text in texts:
            await there.post(text)
    return lobbies


async def picture(browser: Browser, url: str, name: str, *, width: int, height: int, dark: bool, lobby: Room) -> None:
    """Sign in through the form, wait until the talk and everybody present are there, and take a picture."""
    context = await browser.new_context(
        viewport={"width": width, "height": height},
        device_scale_factor=2,
        color_scheme="dark" if dark else "light",
        locale="en-GB",
    )
    page = await context.new_page()
    await page.goto(f"{url}/auth/sign_in")
    await page.fill('[name="user[email]"]', f"{READER.lower()}@example.org")
    await page.fill('[name="user[password]"]', PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{url}/")
    last = page.get_by_role("article").filter(has_text=TALK[-1][1])
    await page.reload()  # without the welcome
    await last.wait_for()
    await page.get_by_role("textbox", name="Message").fill("Whenever you're ready")
    lobby.typing()
    await page.get_by_text("is typing").wait_for()
    await page.evaluate("document.fonts.ready")
    await page.screenshot(path=HERE / name)
    await context.close()


async def main() -> None:
    with tempfile.TemporaryDirectory() as data:
        async with contextlib.AsyncExitStack() as stack:
            url = await stack.enter_async_context(serving(data))
            clients = await arrive(url, stack)
            lobbies = await talk(clients)
            playwright = await stack.enter_async_context(async_playwright())
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            await picture(browser, url, "chat.png", width=1200, height=760, dark=False, lobby=lobbies["Grace"])
            await picture(browser, url, "phone.png", width=390, height=760, dark=True, lobby=lobbies["Grace"])
            await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
