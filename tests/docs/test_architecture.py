"""docs/architecture.md names what is there: the rooms of the house, the seams, the dependencies."""

from __future__ import annotations

import re
import tomllib

import pytest

from datchat import ports
from docs.documents import ROOT, section, text

ARCHITECTURE = text("docs/architecture.md")
HOUSE = section(ARCHITECTURE, "Rooms of the house")
PACKAGE = ROOT / "src" / "datchat"
BARE = {"__init__.py", "__main__.py", "__pycache__", "py.typed"}


def test_every_room_of_the_house_is_named() -> None:
    """Each module and package of the first level has its line, and each line is of something that is there."""
    there = {f"{path.name}/" if path.is_dir() else path.name for path in PACKAGE.iterdir() if path.name not in BARE}
    listed = HOUSE.split("src/datchat/\n", 1)[1].split("\ndeploy/", 1)[0]

    assert set(re.findall(r"^  (\w+(?:\.py|/))", listed, re.MULTILINE)) == there


@pytest.mark.parametrize("port", ["Broker", "Accounts", "Rooms", "Presence", "Transport"])
def test_every_seam_is_named(port: str) -> None:
    """Each port has its place among the seams."""
    assert hasattr(ports, port)
    assert f"**{port}**" in section(ARCHITECTURE, "The seams")


def test_every_dependency_has_its_reason() -> None:
    """Each package that is needed to run stands in the table of dependencies."""
    project = tomllib.loads(text("pyproject.toml"))["project"]
    table = section(ARCHITECTURE, "Dependencies, and why").lower()
    names = {re.split(r"[<>=\[]", dependency)[0] for dependency in project["dependencies"]}

    assert {
        name for name in names if name not in table and name.removesuffix("2").removesuffix("-cffi") not in table
    } == set()


def test_metrics_are_documented() -> None:
    """Each metric of the code has its row in operations.md, and each row is of one that exists."""
    sources = [*PACKAGE.glob("node/*.py"), *PACKAGE.glob("web/*.py"), *PACKAGE.glob("backends/**/*.py")]
    made = {name for path in sources for name in re.findall(r'"(datchat_[a-z_]+)"', path.read_text())}
    made -= {"datchat_session", "datchat_csrf", "datchat_flash", "datchat_room"}

    assert set(re.findall(r"`(datchat_[a-z_]+)`", section(text("docs/operations.md"), "Watch it"))) == made
