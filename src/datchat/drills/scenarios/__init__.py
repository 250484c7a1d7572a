"""The scenarios that there are: what each breaks, in a paragraph and in steps."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from datchat.drills.scenarios import balancer, clocks, crowds, hosts, mixed, original, redis, sentinels, web
from datchat.drills.scenarios.scenario import Scenario

SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {
        scenario.name: scenario
        for module in (redis, sentinels, web, balancer, clocks, hosts, crowds, mixed, original)
        for scenario in module.SCENARIOS
    }
)
"""By name, in the order in which ``all`` runs them."""

__all__ = ["SCENARIOS", "Scenario"]
