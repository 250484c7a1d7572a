"""A plan as the network of namespaces would make it."""

from __future__ import annotations

import pytest

from datchat.cluster.parts import Kind, Part, Plan, names, store_url


def make_plan(web: int = 3, replicas: int = 2) -> Plan:
    """A cluster at 10.213.7.10 and on."""
    parts = [
        Part(name, kind, f"10.213.7.{number}", kind.port)
        for number, (name, kind) in enumerate(names(web, replicas), 10)
    ]
    parts[-1] = Part("haproxy", Kind.HAPROXY, "127.0.0.1", 8081)
    return Plan(
        network="namespaces",
        parts=tuple(parts),
        master="redismaster",
        url="http://127.0.0.1:8081",
        store=store_url([part for part in parts if part.kind is Kind.SENTINEL]),
        balancer_host="10.213.7.19",
    )


@pytest.fixture
def plan() -> Plan:
    return make_plan()
