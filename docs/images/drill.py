"""
Makes the pictures of docs/drills.md from two real drills: run it by ``script/screenshot drill``, as root.

Drills a cluster of its own whose master is killed, and one that is split while a single copy is enough for an
acknowledgement, opens the reports in Chromium, and writes ``drill-*.png`` beside itself.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Browser, async_playwright

HERE = Path(__file__).parent
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
WIDTH = 1000
SEED = "20151114"
DRILLS = {
    "drill-valid.png": (("redis-kill",), 0, 1180),
    "drill-lost.png": (("redis-split", "--ack", "one"), 1, 720),
}
"""Each with its words, its exit code, and how much of its report is shown."""


async def drill(words: tuple[str, ...], code: int, report: Path) -> None:
    """Run a drill that has to end with this code."""
    command = (str(Path(sys.executable).with_name("datchat")), "drill", *words, "--seed", SEED, "--report", str(report))
    process = await asyncio.create_subprocess_exec(*command)
    if await process.wait() != code:
        raise SystemExit(f"{' '.join(words)} ended with {process.returncode}, and {code} was expected")


async def picture(browser: Browser, report: Path, name: str, height: int) -> None:
    """The first so many lines of a report."""
    context = await browser.new_context(viewport={"width": WIDTH, "height": height}, color_scheme="light")
    page = await context.new_page()
    await page.goto(report.as_uri())
    await page.locator(".uplot canvas").first.wait_for(state="attached")
    await page.screenshot(path=HERE / name)
    await context.close()


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        reports = {name: Path(folder, name).with_suffix(".html") for name in DRILLS}
        for name, (words, code, _) in DRILLS.items():
            await drill(words, code, reports[name])
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            for name, (_, _, height) in DRILLS.items():
                await picture(browser, reports[name], name, height)
            await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
