"""The commands of cluster.md, run as they stand there."""

from __future__ import annotations

from pathlib import Path

from docs.documents import block, text
from docs.test_commands import Terminal
from support.clusters import needs_servers

CLUSTER = text("docs/cluster.md")

pytestmark = needs_servers


def test_the_walk(tmp_path: Path) -> None:
    """Up, look, stop the master, start it, read logs, down: each command does what stands behind it."""
    terminal = Terminal(tmp_path)
    try:
        assert f"Dat Chat runs at {terminal.url} (10 parts" in terminal.run(block(CLUSTER, "commands: up"))
        said = terminal.run(block(CLUSTER, "commands: walk"))
    finally:
        terminal.run(".venv/bin/datchat down")

    assert "redismaster stopped\nredismaster started\n" in said
    assert "Server web/web0 is UP" in said
    assert "the cluster is down after" in said
    assert list(tmp_path.iterdir()) == []
