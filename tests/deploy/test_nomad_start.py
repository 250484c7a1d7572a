"""What containers of the Nomad job wait for before they start, with stand-ins for what is started."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from support.deployments import ROOT

SOON_S = 2.0
"""Whoever waits would have started by then."""


def entrypoint(task: str) -> str:
    """The shell's line by which a task of the job starts."""
    job = (ROOT / "deploy" / "nomad" / "datchat.nomad.hcl").read_text()
    found = re.search(rf'task "{task}" \{{.*?entrypoint\s+= \["/bin/sh", "-c", "((?:[^"\\]|\\.)*)"\]', job, re.DOTALL)
    assert found is not None
    return re.sub(r"\\(.)", r"\1", found[1])


def started(task: str, folder: Path, **files: str) -> str:
    """What the task's program, or the script that starts it, was told; empty when it still waits."""
    (folder / "datchat").write_text('#!/bin/sh\necho "$DATCHAT_STORE $*"\n')
    (folder / "datchat").chmod(0o755)
    (folder / "sentinel-start").write_text('echo "${MASTER_HOST-nobody} $*"\n')
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    line = entrypoint(task).replace("/local/", f"{folder}/").replace("/data/", f"{folder}/")
    words = ["env", f"PATH={folder}:/usr/bin:/bin", "timeout", str(SOON_S), "/bin/sh", "-c", line]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=30).stdout.strip()


@pytest.mark.parametrize(
    ("listed", "told"),
    [
        ("", ""),
        ("a:1\n", ""),
        ("a:1\n\nc:3\n", "redis+sentinel://a:1,c:3/mymaster serve"),
        ("a:1\nb:2\nc:3\n", "redis+sentinel://a:1,b:2,c:3/mymaster serve"),
    ],
    ids=["none", "one", "two", "three"],
)
def test_a_node_starts_with_most_sentinels(listed: str, told: str, tmp_path: Path) -> None:
    """One of the three may be away with its host: a drain waits for the node, and the sentinel for the drain."""
    assert started("web", tmp_path, sentinels=listed) == told


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"master": ""}, ""),
        ({"master": "export MASTER_HOST=a MASTER_PORT=1"}, "a"),
        ({"master": "", "sentinel_conf": "sentinel monitor"}, "nobody"),
    ],
    ids=["first time, no master", "first time", "back"],
)
def test_a_sentinel_waits_for_the_master_the_first_time(files: dict[str, str], told: str, tmp_path: Path) -> None:
    """Later it knows who is master: it is back though the server that began as master is away."""
    assert started("sentinel", tmp_path, **files).partition(" ")[0] == told
