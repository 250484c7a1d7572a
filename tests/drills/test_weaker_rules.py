"""A weaker ack rule loses posts, and the drill finds it: what a judge is worth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from support.clusters import needs_root, needs_servers

pytestmark = [needs_servers, pytest.mark.timeout(300)]


@needs_root
def test_one_copy_is_not_enough(drill: Callable[..., Any]) -> None:
    """With ``--ack one`` a split loses what was acknowledged on the losing side, and each loss has its story."""
    ended = drill("redis-split", "--ack", "one", "--seed", "20151114")
    result = ended.result

    assert (ended.code, result.verdict, result.ack) == (1, "invalid", "one"), ended.out
    assert result.lost > 0
    assert result.phantoms >= result.lost
    lost = [anomaly for anomaly in result.anomalies if anomaly.checker == "kept"]
    assert lost
    assert any("fault: partition" in line for line in lost[0].story)
    assert "redis-split: invalid" in ended.out
    assert "again: datchat drill redis-split --seed 20151114 --ack one" in ended.out
