"""The documents, and what tests need to read in them."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("src/**/*.md"), *ROOT.glob("deploy/**/*.md")]
)

_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


def name_of(path: Path) -> str:
    """A document's path from the root, for test ids."""
    return str(path.relative_to(ROOT))


def text(name: str) -> str:
    """The text of a document."""
    return (ROOT / name).read_text()


def prose(document: str) -> str:
    """A document without its code blocks and comments."""
    return _COMMENT.sub("", _FENCE.sub("", document))


def section(document: str, heading: str) -> str:
    """What stands under a heading, up to the next one of its level or above."""
    match = re.search(rf"^(#+) {re.escape(heading)}$", document, re.MULTILINE)
    assert match is not None, heading
    rest = document[match.end() :]
    end = re.search(rf"^#{{1,{len(match[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def rows(document: str) -> list[list[str]]:
    """The cells of all rows of all tables, without their heads."""
    found = []
    lines = document.splitlines()
    for number, line in enumerate(lines):
        head = number + 1 < len(lines) and re.fullmatch(r"[|\s:-]+", lines[number + 1]) is not None
        if line.startswith("|") and not head and re.fullmatch(r"[|\s:-]+", line) is None:
            found.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))])
    return found


def code(cell: str) -> list[str]:
    """What a cell has in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def anchors(document: str) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.*)$", _FENCE.sub("", document), re.MULTILINE):
        plain = re.sub(r"[`*_]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        kept = [c for c in plain if c in " -_" or unicodedata.category(c)[0] in "LN"]
        found.add("".join(kept).replace(" ", "-"))
    return found


def block(document: str, mark: str) -> str:
    """The code block after the comment ``<!-- mark -->``."""
    match = re.search(rf"<!-- {re.escape(mark)} -->\n```\w*\n(.*?)^```$", document, re.MULTILINE | re.DOTALL)
    assert match is not None, mark
    return match[1]
