"""What a node counts, for Prometheus. Names end in their unit; counters in ``_total``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector


class BackendCounts(Collector):
    """The backend's own counts, as they are when somebody asks."""

    def __init__(self, counts: Callable[[], Mapping[str, int]]) -> None:
        self._counts = counts

    def collect(self) -> Iterable[Metric]:
        for name, count in self._counts().items():
            yield CounterMetricFamily(f"datchat_{name}", name.removesuffix("_total").replace("_", " "), value=count)


class NodeMetrics:
    """The meters of one node, in the registry that ``/metrics`` shows."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.connections = Gauge("datchat_connections", "Open sockets.", registry=registry)
        self.rooms = Gauge("datchat_rooms", "Rooms with members on this node.", registry=registry)
        self.appended = Counter(
            "datchat_entries_appended_total", "Entries acknowledged by this node.", registry=registry
        )
        self.duplicates = Counter("datchat_duplicates_total", "Posts that had been stored before.", registry=registry)
        self.delivered = Counter("datchat_deliveries_total", "Entries written to sockets.", registry=registry)
        self.writes = Counter("datchat_writes_total", "Writes to sockets that carried entries.", registry=registry)
        self.refused = Counter("datchat_refusals_total", "Commands refused, by code.", ["code"], registry=registry)
        self.closed = Counter(
            "datchat_closes_total", "Sockets closed by the node, by code.", ["code"], registry=registry
        )
        self.aside = Gauge("datchat_members_aside", "Members that read from the log until level.", registry=registry)
        self.gaps = Counter("datchat_gaps_total", "Gaps in the feed, filled from the log.", registry=registry)
        self.interruptions = Counter("datchat_interruptions_total", "Interruptions of the feed.", registry=registry)
        self.resets = Counter("datchat_resets_total", "Cursors that could not be served.", registry=registry)
        self.task_failures = Counter(
            "datchat_task_failures_total", "Supervised tasks that failed.", ["task"], registry=registry
        )
        self.append_s = Histogram(
            "datchat_append_seconds",
            "From a post's arrival to its acknowledgement.",
            buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=registry,
        )
