"""The pods of the chat, as the API lists them, and the ways to them."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from datchat.drills.targets import TargetError
from datchat.drills.targets.pods import PORTS, Ways, pods, reached
from unit.drills.targets.fake_kubernetes import pod

READY = [{"type": "Ready", "status": "True"}]


@pytest.mark.parametrize(
    ("status", "deleted", "state", "ready"),
    [
        ({"containerStatuses": [{"state": {"running": {}}}], "conditions": READY}, False, "running", True),
        ({"containerStatuses": [{"state": {"running": {}}}]}, False, "running", False),
        ({"containerStatuses": [{"state": {"running": {}}}], "conditions": READY}, True, "stopped", False),
        ({}, False, "stopped", False),
        ({"containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]}, False, "stopped", False),
        ({"containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}, False, "failed", False),
        ({"containerStatuses": [{"state": {"terminated": {}}}]}, False, "stopped", False),
    ],
    ids=["ready", "not ready", "goes", "on no host", "made", "crashes", "ended"],
)
def test_a_pods_state(status: dict[str, Any], deleted: bool, state: str, ready: bool) -> None:
    """What it does now, whatever it was meant to do."""
    item = pod("web-a", "web", status=status)
    if deleted:
        item["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"

    (found,) = pods([item])

    assert (found.state, found.ready, found.going) == (state, ready, deleted)


def test_what_is_no_part_is_left_out() -> None:
    """Other pods of the namespace are not to be broken."""
    assert pods([pod("drill-x", "drill"), {"metadata": {"name": "x", "uid": "y"}, "spec": {}, "status": {}}]) == []


async def test_only_who_listens_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the pods' network is reached from here is found out by trying."""
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    (here,) = pods([pod("web-a", "web")])
    monkeypatch.setitem(PORTS, "web", server.sockets[0].getsockname()[1])
    async with server:
        assert await reached(here)
    assert not await reached(here)


@pytest.fixture
def fake_kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kubectl that says it forwards, and notes that it was called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "kubectl"
    program.write_text(
        f"#!/bin/sh\necho \"$@\" >>{tmp_path}/calls\necho 'Forwarding from 127.0.0.1:4321 -> 8080'\nexec sleep 60\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "calls"


async def test_a_way_is_forwarded_once(fake_kubectl: Path) -> None:
    """Each pod has one forward, which goes with the pod."""
    (first,) = pods([pod("web-a", "web")])
    ways = Ways("chat", straight=False)
    try:
        assert await asyncio.gather(ways.place(first), ways.place(first)) == [("127.0.0.1", 4321)] * 2
        assert fake_kubectl.read_text() == "port-forward -n chat pod/web-a :8080\n"
        await ways.keep(["another"])
        await ways.place(first)
        assert len(fake_kubectl.read_text().splitlines()) == 2
    finally:
        await ways.close()


async def test_a_pod_without_address_is_reached_nowhere() -> None:
    """It is not begun yet."""
    (bare,) = pods([pod("web-a", "web", status={})])
    with pytest.raises(TargetError, match="web-a has no address yet"):
        await Ways("chat", straight=True).place(bare)
