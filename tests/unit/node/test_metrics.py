"""What a node counts."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from datchat.node.metrics import BackendCounts


def test_a_backends_own_counts_are_shown_as_they_are() -> None:
    """They are asked for each time, and bear the project's prefix."""
    counts = {"acknowledged_missing_total": 0}
    registry = CollectorRegistry()
    registry.register(BackendCounts(lambda: counts))
    counts["acknowledged_missing_total"] = 2
    assert b"datchat_acknowledged_missing_total 2.0\n" in generate_latest(registry)
