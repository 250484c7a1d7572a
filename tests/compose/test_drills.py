"""Drills of a running project, as `datchat drill --target compose` does them: anything but valid fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from datchat.drills.targets.networks import OWNER
from support.compose import Project, docker, needs_engine
from support.process import datchat

pytestmark = [needs_engine, pytest.mark.timeout(300)]

SEED = "20151114"


def drilled(project: Project, scenario: str, folder: Path) -> dict[str, Any]:
    """What a drill of the project came to; fails unless it is valid."""
    result, report = folder / "result.json", folder / "report.html"
    words = ["--target", "compose", "--project", project.name, "--seed", SEED, "--json", result, "--report", report]
    done = datchat("drill", scenario, *words, timeout_s=240)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(result.read_bytes())
    for version in found["versions"].values():
        assert f"<td>{version}</td>" in report.read_text()
    return found


@pytest.mark.parametrize(
    ("scenario", "faults"),
    [
        ("redis-kill", ["kill"]),
        ("redis-partition", ["partition", "partition"]),
        ("web-kill", ["kill"]),
        ("rolling-restart", ["stop", "stop", "stop"]),
    ],
)
def test_the_promise_is_kept(scenario: str, faults: list[str], project: Project, tmp_path: Path) -> None:
    """Nothing acknowledged is lost, whatever is done to the containers; and all is as it was after."""
    result = drilled(project, scenario, tmp_path)

    assert (result["verdict"], result["target"]) == ("valid", "compose")
    assert [result[count] for count in ("lost", "doubled", "reordered", "gaps", "phantoms")] == [0] * 5
    assert result["acknowledged"] > 100
    assert [fault["kind"] for fault in result["faults"]] == faults
    assert {"Dat Chat", "Docker", "HAProxy", "Linux", "Python", "Redis"} <= result["versions"].keys()
    assert "unknown" not in result["versions"].values()
    if scenario == "redis-kill":
        # The sentinels' own words, from their containers' logs, whatever time zone those are in.
        (fault,) = result["faults"]
        assert 0.5 < fault["detect_s"] <= fault["elect_s"] <= fault["promote_s"] < 60
    assert project.whole()
    assert not docker("network", "ls", "-q", "--filter", f"label={OWNER}").strip()


def test_a_project_that_is_not_there(project: Project) -> None:
    """One sentence that names those that are."""
    done = datchat("drill", "web-kill", "--target", "compose", "--project", "no-such-thing")

    assert done.returncode == 2
    assert "no Compose project on this engine is named no-such-thing: there is " in done.stderr
    assert project.name in done.stderr


def test_a_part_that_does_not_run(project: Project) -> None:
    """It is named, and nothing is broken."""
    project.do("stop", "web1")
    done = datchat("drill", "web-kill", "--target", "compose", "--project", project.name)

    assert done.returncode == 2
    assert done.stderr == "datchat: web1 is stopped: start it first\n"
