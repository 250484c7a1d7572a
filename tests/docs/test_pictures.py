"""The pictures of the architecture: what is shown is what their sources say, and nothing covers anything."""

from __future__ import annotations

import runpy
import tomllib
import xml.etree.ElementTree as xml
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from docs.documents import ROOT

IMAGES = ROOT / "docs" / "images"
SOURCES = sorted(IMAGES.glob("*.toml"))
SVG = "{http://www.w3.org/2000/svg}"

with_sources = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)


def texts(drawing: xml.Element) -> list[str]:
    return [element.text or "" for element in drawing.iter(f"{SVG}text")]


def test_there_are_both() -> None:
    """The architecture with one load balancer, and with two."""
    assert sorted(source.stem for source in SOURCES) == ["architecture", "architecture-ha"]


@with_sources
def test_a_picture_is_what_its_source_gives(source: Path) -> None:
    """Whoever changes a source runs script/pictures."""
    draw = runpy.run_path(str(IMAGES / "picture.py"))["draw"]
    assert source.with_suffix(".svg").read_text() == draw(source.read_text())


@with_sources
def test_every_word_of_the_source_is_shown(source: Path) -> None:
    """The title and the description for those who can't see it, the names and notes for those who can."""
    picture: dict[str, Any] = tomllib.loads(source.read_text())
    drawing = xml.parse(source.with_suffix(".svg")).getroot()
    said = [text for box in picture["box"] for text in box["text"]]
    said += [one["text"] for kind in ("group", "label", "legend") for one in picture.get(kind, [])]

    assert sorted(texts(drawing)) == sorted(said)
    assert drawing.findtext(f"{SVG}title") == picture["title"]
    assert drawing.findtext(f"{SVG}desc") == picture["description"]
    assert len(drawing.findall(f"{SVG}path")) == len(picture["line"]) + len(picture["legend"])


@with_sources
def test_nothing_covers_anything(source: Path) -> None:
    """Boxes lie apart, on the picture; their text fits, at 0.55 of its size a letter."""
    picture = tomllib.loads(source.read_text())
    width, height = picture["size"]
    places = [(*box["at"], box["at"][0] + box["size"][0], box["at"][1] + box["size"][1]) for box in picture["box"]]

    assert all(0 < x1 < x2 < width and 0 < y1 < y2 < height for x1, y1, x2, y2 in places)
    for one, other in combinations(places, 2):
        assert one[2] < other[0] or other[2] < one[0] or one[3] < other[1] or other[3] < one[1]
    for box in picture["box"]:
        name, *notes = box["text"]
        assert max([len(name) * 15, *(len(note) * 13 for note in notes)]) * 0.55 < box["size"][0], box["name"]


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_in_light_and_dark(scheme: str) -> None:
    """Text on every ground has the contrast of WCAG AA (4.5), lines that of graphics (3)."""
    light, dark = (IMAGES / "picture.css").read_text().split("@media (prefers-color-scheme: dark)")
    rules = (light if scheme == "light" else dark.partition("text {")[0]).replace("}", "").split("{")[-1]
    colours = dict(rule.strip().split(": ") for rule in rules.split(";") if rule.strip())
    grounds = [
        colours[f"--{ground}"] for ground in ("paper", "group", "people", "balancer", "node", "store", "sentinel")
    ]

    assert min(contrast(colours[ink], ground) for ink in ("--ink", "--ink-2") for ground in grounds) >= 4.5
    assert contrast(colours["--shared"], colours["--on-shared"]) >= 4.5
    edges = [colours[f"--{part}-edge"] for part in ("people", "balancer", "node", "store", "sentinel")]
    assert min(contrast(edge, colours["--paper"]) for edge in edges) >= 3
