"""What the site counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram


class SiteMetrics:
    """The meters of the HTTP side, in the node's registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "datchat_http_requests_total", "Requests answered.", ["area", "method", "status"], registry=registry
        )
        self.request_s = Histogram(
            "datchat_http_request_seconds",
            "From a request's head to the start of its answer.",
            ["area"],
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=registry,
        )
        self.sign_ins = Counter(
            "datchat_sign_ins_total", "Attempts to sign in: fine, wrong or limited.", ["outcome"], registry=registry
        )
        self.sign_ups = Counter("datchat_sign_ups_total", "Accounts made over HTTP.", registry=registry)
