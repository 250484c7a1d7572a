"""Drills against the chat on Kubernetes: anything but valid fails, and people are back in time."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from datchat.drills.result import Result
from support.kubernetes import DEPLOY, chat, kubectl, needs_cluster, needs_crashes, wait_until_whole
from support.process import datchat

pytestmark = [needs_cluster, pytest.mark.timeout(600)]

POD_S = 3.0
"""How long after a pod's death posts may take to be acknowledged again."""
NODE_S = 35.0
BUSY = 3.0
"""How much longer it may take on a machine that has other things to do."""


def drilled(tmp_path: Path, *words: str) -> Result:
    """What a drill came to, which has to be valid, with nothing lost and enough done."""
    json = tmp_path / "result.json"
    done = datchat("drill", *words, "--target", "kubernetes", "--json", json, timeout_s=500)
    assert json.is_file(), done.stdout + done.stderr
    result = msgspec.json.decode(json.read_bytes(), type=Result)
    assert (done.returncode, result.verdict) == (0, "valid"), done.stdout + done.stderr
    assert (result.lost, result.doubled, result.reordered, result.gaps, result.phantoms) == (0, 0, 0, 0, 0)
    assert result.acknowledged > 100
    assert result.faults
    assert result.target == "kubernetes"
    assert result.versions["Kubernetes"].startswith("v1.")
    return result


@pytest.mark.parametrize("scenario", ["redis-kill", "web-kill"])
def test_a_pod_is_deleted_without_grace(scenario: str, running: str, tmp_path: Path) -> None:
    """The master's, then a node's: nothing is lost, and posts are acknowledged again within seconds."""
    result = drilled(tmp_path, scenario)
    assert result.longest_silence_s < POD_S * BUSY


def test_web_and_redis_are_rolled_under_load(running: str, tmp_path: Path) -> None:
    """Each kind is replaced pod by pod while people talk: nothing is lost, doubled or out of order."""
    before = chat("get", "pods", "-o", "name").split()

    result = drilled(tmp_path, "rolling-restart")

    assert [fault.kind for fault in result.faults] == ["roll", "roll"]
    after = chat("get", "pods", "-o", "name").split()
    assert not {pod for pod in before if "web" in pod} & {pod for pod in after if "web" in pod}


@needs_crashes
def test_a_node_crashes(running: str, tmp_path: Path) -> None:
    """The one with the Redis master, and all else that is on it: people go on elsewhere, and nothing is lost."""
    commands = ["--crash-command", os.environ["CRASH_COMMAND"], "--restore-command", os.environ["RESTORE_COMMAND"]]
    result = drilled(tmp_path, "node-crash", *commands)
    assert result.longest_silence_s < NODE_S


def test_a_job_drills_from_within(running: str) -> None:
    """In the cluster itself, with the rights of its own account and no others; the log has the verdict."""
    kubectl("apply", "-k", DEPLOY / "drill")
    try:
        chat("wait", "--for=condition=complete", "job/drill", "--timeout=240s")
        assert "redis-kill: valid" in chat("logs", "job/drill")
    finally:
        kubectl("delete", "-k", DEPLOY / "drill")
        wait_until_whole()
