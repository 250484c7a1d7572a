"""
Scenarios of each family, drilled on a cluster of their own: anything but valid fails.

All of them, with other seeds and for longer, is what ``datchat drill all`` is for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from support.clusters import needs_root, needs_servers

pytestmark = [needs_servers, pytest.mark.timeout(300)]

SELECTION = ["redis-kill", "web-kill", pytest.param("redis-split", marks=needs_root)]


@pytest.mark.parametrize("scenario", SELECTION)
def test_the_promise_is_kept(scenario: str, drill: Callable[..., Any]) -> None:
    """Nothing acknowledged is lost, doubled, out of order or unseen; and enough happened for that to mean something."""
    ended = drill(scenario, "--seed", "20151114")
    result = ended.result

    assert (ended.code, result.verdict) == (0, "valid"), ended.out
    assert (result.lost, result.doubled, result.reordered, result.gaps, result.phantoms) == (0, 0, 0, 0, 0)
    assert result.acknowledged > 100
    assert result.shown > result.acknowledged
    assert result.faults
    assert result.attempted == result.acknowledged + result.refused + result.indefinite
    assert f"{scenario}: valid" in ended.out
    assert "people arrive" in ended.err
    assert f"datchat drill {scenario} --seed 20151114" in ended.report
