"""The page that compares the tools says what the kept results say."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from docs.documents import ROOT, text

COMPARED = ROOT / "docs" / "deploy" / "compared"
PAGE = "docs/deploy/compared.md"
MAKER = runpy.run_path(str(COMPARED / "table.py"))
RESULTS: list[dict[str, Any]] = json.loads((COMPARED / "results.json").read_text())
LOSSES = ("lost", "doubled", "reordered", "gaps", "phantoms")


def test_the_table_is_what_the_results_give() -> None:
    """Whoever drills again runs docs/deploy/compared/table.py."""
    assert MAKER["table"](RESULTS) in text(PAGE)


@pytest.mark.parametrize("target", list(MAKER["TOOLS"]))
def test_every_drill_was_valid(target: str) -> None:
    """Of each tool there are some, of every scenario that its hosts allow, and none has lost anything."""
    drills = [result for result in RESULTS if result["target"] == target]
    scenarios = {result["scenario"] for result in drills}

    wanted = {"redis-kill", "web-kill", "rolling-restart"} | (
        {"node-crash", "node-drain"} if target in ("swarm", "kubernetes", "nomad") else set()
    )
    assert scenarios == wanted
    assert {result["verdict"] for result in drills} == {"valid"}
    assert all(result[loss] == 0 for result in drills for loss in LOSSES)


def test_only_what_was_drilled_is_kept(tmp_path: Path) -> None:
    """Of files of one drill and of several, what the table shows; a tool without any has no figure."""
    one = {name: 0 for name in MAKER["FIELDS"]} | {
        "target": "local",
        "scenario": "redis-kill",
        "began": "a",
        "acknowledged": 1234,
        "faults": [{"part": "redismaster", "silence_s": 2.04}],
        "happenings": ["much"],
    }
    two = one | {"began": "b", "faults": [{"part": "redismaster", "silence_s": 3.0}]}
    (tmp_path / "one.json").write_text(json.dumps(one))
    (tmp_path / "more.json").write_text(json.dumps({"drills": [two, one | {"scenario": "calm"}]}))

    found = MAKER["collected"](tmp_path)

    assert [result["began"] for result in found] == ["a", "b"]
    assert all("happenings" not in result for result in found)
    assert "| the master is killed | 2.5 s, at most 3.0 | - | - | - | - |" in MAKER["table"](found)
    assert "| 2,468 | 0 | 0 | 0 | 0 |" in MAKER["table"](found)
