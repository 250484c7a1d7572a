"""Documents lead somewhere: links resolve, files that are named exist, nothing is left over."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.documents import DOCUMENTS, ROOT, anchors, name_of, prose

EXAMPLES = ("./", "datchat-data/")
"""Beginnings of paths that belong to people's machines."""
PLACES = (ROOT, ROOT / "src" / "datchat", ROOT / "tests")
"""Where a path in a document may begin."""


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_resolve(document: Path) -> None:
    """Every relative link names a file that is there, and a heading that is in it."""
    content = document.read_text()
    broken = []
    for target in re.findall(r"(?:\]\(|src=\")([^)\s\"]+)", prose(content)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (document.parent / path).resolve() if path else document
        if not found.exists() or (anchor and anchor not in anchors(found.read_text())):
            broken.append(target)

    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_files_that_are_named_exist(document: Path) -> None:
    """A path in backticks is the path of something: from the root, or within the package."""
    missing = []
    for named in re.findall(r"`([\w.-]+(?:/[\w.*-]*)+)`", prose(document.read_text())):
        places = [place for place in PLACES if (place / named.split("/", 1)[0]).is_dir()]
        if places and not named.startswith(EXAMPLES) and not any(list(place.glob(named)) for place in places):
            missing.append(named)

    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_lines_are_short(document: Path) -> None:
    """Prose is wrapped at 120 characters; tables and code may be wider."""
    wide = [
        line
        for line in prose(document.read_text()).splitlines()
        if len(line) > 120 and not line.startswith(("|", "    "))
    ]

    assert wide == []


def test_every_document_can_be_reached_from_the_readme() -> None:
    """Following links from the README one comes to every document."""
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        document = waiting.pop()
        if document in reached or document.suffix != ".md":
            continue
        reached.add(document)
        targets = re.findall(r"\]\(([^)\s#]+)", prose(document.read_text()))
        waiting += [(document.parent / t).resolve() for t in targets if not re.match(r"[a-z]+:", t)]

    assert [name_of(path) for path in DOCUMENTS if path not in reached] == []


def test_the_readme_shows_the_commands() -> None:
    """Whoever opens the README finds how to run it, how to test it, and a picture."""
    readme = (ROOT / "README.md").read_text()

    assert "script/run" in readme
    assert "script/test" in readme
    assert re.search(r'<img src="docs/images/[\w.-]+" alt="[^"]+"', readme)


def test_contributing_is_short() -> None:
    """CONTRIBUTING has 150 lines at most, or nobody reads it."""
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) <= 150


def test_the_changelog_keeps_its_form() -> None:
    """Keep a Changelog: versions in brackets, changes under the six headings."""
    lines = (ROOT / "CHANGELOG.md").read_text().splitlines()
    versions = [line for line in lines if line.startswith("## ")]
    kinds = [line for line in lines if line.startswith("### ")]

    assert versions
    assert all(re.fullmatch(r"## \[(Unreleased|\d+\.\d+\.\d+)\]( - \d{4}-\d\d-\d\d)?", line) for line in versions)
    assert {kind[4:] for kind in kinds} <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
