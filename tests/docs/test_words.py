"""Glossary and decisions keep their form."""

from __future__ import annotations

import re

import pytest

from datchat import ports
from datchat.chat import model
from docs.documents import ROOT, prose, rows, section, text

DECISIONS = sorted(path for path in (ROOT / "docs" / "decisions").glob("*.md") if path.name != "README.md")
WORDS = [cells[0] for cells in rows(text("docs/glossary.md"))]


def test_the_glossary_is_in_order() -> None:
    """Words stand once, in alphabetical order, each with a meaning."""
    assert sorted(set(WORDS)) == WORDS
    assert all(len(cells) == 2 and cells[1] for cells in rows(text("docs/glossary.md")))


@pytest.mark.parametrize(
    "name",
    [
        "Draft",
        "Entry",
        "Cursor",
        "Room",
        "View",
        "Event",
        "Signal",
        "Broker",
        "Presence",
        "Session",
        "Account",
        "Backend",
    ],
)
def test_the_codes_words_are_explained(name: str) -> None:
    """The names of the chief values and ports are words of the glossary."""
    assert hasattr(model, name) or hasattr(ports, name)
    assert name.lower() in WORDS


def test_no_word_has_two_names() -> None:
    """Words that would be second names of something are not used in the documents' own prose."""
    strays = {"websocket client id", "message id", "sequence number", "idempotency key", "subscriber"}
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        written = prose(path.read_text()).lower()
        assert {stray for stray in strays if stray in written} == set(), path.name


def test_decisions_are_numbered() -> None:
    """001, 002… without a hole, and the index lists them all with their titles."""
    index = text("docs/decisions/README.md")
    for number, path in enumerate(DECISIONS, 1):
        title = path.read_text().splitlines()[0].removeprefix("# ")
        assert path.name.startswith(f"{number:03d}-")
        assert title.startswith(f"{number:03d} ")
        assert f"[{title}]({path.name})" in re.sub(r"\s+", " ", index)


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_is_one_page(path) -> None:  # type: ignore[no-untyped-def]
    """A page says what was decided, what else was weighed and how each of that fails; it is one page."""
    written = path.read_text()

    assert section(written, "Decided").strip()
    assert len(re.findall(r"^- \*\*", section(written, "Alternatives, and how each fails"), re.MULTILINE)) >= 3
    assert len(written.splitlines()) <= 70
