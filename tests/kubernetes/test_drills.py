"""Drills against the chat on Kubernetes: anything but valid fails, and people are back in time."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.drilled import drilled, needs_crashes
from support.kubernetes import DEPLOY, chat, kubectl, needs_cluster, wait_until_whole

pytestmark = [needs_cluster, pytest.mark.timeout(600)]

POD_S = 3.0
"""How long after a pod's death posts may take to be acknowledged again."""
NODE_S = 35.0
BUSY = 3.0
"""How much longer it may take on a machine that has other things to do."""


@pytest.mark.parametrize("scenario", ["redis-kill", "web-kill"])
def test_a_pod_is_deleted_without_grace(scenario: str, running: str, tmp_path: Path) -> None:
    """The master's, then a node's: nothing is lost, and posts are acknowledged again within seconds."""
    result = drilled("kubernetes", scenario, tmp_path)
    assert result.longest_silence_s < POD_S * BUSY
    assert result.versions["Kubernetes"].startswith("v1.")


def test_web_and_redis_are_rolled_under_load(running: str, tmp_path: Path) -> None:
    """Each kind is replaced pod by pod while people talk: nothing is lost, doubled or out of order."""
    before = chat("get", "pods", "-o", "name").split()

    result = drilled("kubernetes", "rolling-restart", tmp_path)

    assert [fault.kind for fault in result.faults] == ["roll", "roll"]
    after = chat("get", "pods", "-o", "name").split()
    assert not {pod for pod in before if "web" in pod} & {pod for pod in after if "web" in pod}


def test_a_node_is_drained(running: str, tmp_path: Path) -> None:
    """The one with the Redis master, as before its maintenance: people go on, and nothing is lost."""
    result = drilled("kubernetes", "node-drain", tmp_path)
    assert result.longest_silence_s < POD_S * BUSY


@needs_crashes
def test_a_node_crashes(running: str, tmp_path: Path) -> None:
    """The one with the Redis master, and all else that is on it: people go on elsewhere, and nothing is lost."""
    result = drilled("kubernetes", "node-crash", tmp_path)
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
