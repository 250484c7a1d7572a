"""Drills of a running project, as `datchat drill --target compose` does them: anything but valid fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from datchat.drills.targets.networks import OWNER
from support.compose import Project, docker, needs_engine
from support.drilled import drilled
from support.process import datchat

pytestmark = [needs_engine, pytest.mark.timeout(300)]

SEED = "20151114"


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
    result = drilled("compose", scenario, tmp_path, "--project", project.name, "--seed", SEED)

    assert [fault.kind for fault in result.faults] == faults
    assert {"Dat Chat", "Docker", "HAProxy", "Linux", "Python", "Redis"} <= result.versions.keys()
    report = (tmp_path / "report.html").read_text()
    assert all(f"<td>{version}</td>" in report for version in result.versions.values())
    if scenario == "redis-kill":
        # The sentinels' own words, from their containers' logs, whatever time zone those are in.
        (fault,) = result.faults
        assert None not in (fault.detect_s, fault.elect_s, fault.promote_s)
        assert 0.5 < (fault.detect_s or 0) <= (fault.elect_s or 0) <= (fault.promote_s or 0) < 60
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
