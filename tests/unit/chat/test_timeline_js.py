"""The page's modules and the server's know the same: a table of folds, and the close codes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from datchat.chat import timeline
from datchat.chat.model import Content, Kind, User
from datchat.errors import CloseCode

ROOT = Path(__file__).parents[3]
WIRE_JS = ROOT / "src/datchat/web/static/js/wire.js"
CASES = json.loads((ROOT / "tests/page/timeline_cases.json").read_text())


def content(entry: dict[str, Any]) -> Content:
    fields = {name: value for name, value in entry.items() if name not in ("offset", "kind", "author")}
    return Content(kind=Kind(entry["kind"]), author=User(**entry["author"]), **fields)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_fold(case: dict[str, Any]) -> None:
    """The server's fold gives what the table says; tests/page/timeline.test.js holds the page's to it."""
    message = timeline.begin(case["message"]["offset"], content(case["message"]))
    for entry in case["entries"]:
        message = timeline.apply(message, entry["offset"], content(entry))
    actual = {
        "text": message.text,
        "reply_to": message.reply_to,
        "edited_at": message.edited_at,
        "deleted": message.deleted,
        "reactions": {emoji: list(users) for emoji, users in message.reactions.items()},
        "replies": message.replies,
        "revision": message.revision,
    }
    assert actual == case["expected"]


def test_close_codes() -> None:
    """The page's table of close codes is the server's."""
    table = re.search(r"CLOSE_CODES = Object\.freeze\(\{(.*?)\}\)", WIRE_JS.read_text(), re.DOTALL)
    assert table is not None
    codes = {name: int(code) for name, code in re.findall(r"(\w+): (\d+)", table[1])}
    assert codes == {code.name: int(code) for code in CloseCode}


def test_no_markup_from_text() -> None:
    """No module of the page has a way to make markup or script of a text."""
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser|setHTML"
        r"|\beval\b|new Function|srcdoc|setAttribute\(\s*[\"'](?:style|on)"
    )
    modules = sorted((ROOT / "src/datchat/web/static").rglob("*.js"))
    found = [(path.name, match[0]) for path in modules for match in forbidden.finditer(path.read_text())]
    assert modules
    assert found == []


def test_preloads() -> None:
    """The chat's template preloads every module, so that no import waits for another."""
    folder = ROOT / "src/datchat/web/static/js"
    template = (ROOT / "src/datchat/web/templates/chat.html").read_text()
    listed = re.search(r"for module in (\[.*?\])", template)
    assert listed is not None
    modules = {path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.js")}
    assert set(json.loads(listed[1])) == modules - {"app", "rescue"}


def test_icons() -> None:
    """Every icon that is used stands among the symbols."""
    templates = ROOT / "src/datchat/web/templates"
    symbols = set(re.findall(r'<symbol id="(i-[a-z]+)"', (templates / "_icons.html").read_text()))
    used = {
        icon
        for path in [*templates.glob("*.html"), *(ROOT / "src/datchat/web/static/js").rglob("*.js")]
        for icon in re.findall(r'href="#(i-[a-z]+)"', path.read_text())
    }
    assert used <= symbols
