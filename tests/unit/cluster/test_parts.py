"""The parts as values."""

from __future__ import annotations

from pathlib import Path

import pytest

from datchat.cluster.parts import Kind, Plan, load_plan, names, save_plan
from datchat.errors import ConfigurationError


def test_the_names_are_those_of_the_original() -> None:
    """Three nodes and two replicas are named as the original's parts; further ones go on counting."""
    usual = [name for name, _ in names(3, 2)]
    more = [name for name, _ in names(4, 3)]

    assert usual == [
        "redismaster",
        "redisslave",
        "redisslave2",
        "redissentinel",
        "redissentinel2",
        "redissentinel3",
        "web0",
        "web1",
        "web2",
        "haproxy",
    ]
    assert [name for name in more if name not in usual] == ["redisslave3", "web3"]


def test_the_store_names_every_sentinel(plan: Plan) -> None:
    """The nodes' store is the master behind all sentinels, whichever server it is."""
    assert plan.store == "redis+sentinel://10.213.7.13:26379,10.213.7.14:26379,10.213.7.15:26379/mymaster"


def test_parts_are_chosen_by_name(plan: Plan) -> None:
    """Each named part once, in the order of the names; all when none is named."""
    assert [part.name for part in plan.chosen(["web1", "haproxy", "web1"])] == ["web1", "haproxy"]
    assert plan.chosen([]) == plan.parts
    assert [part.name for part in plan.of(Kind.WEB)] == ["web0", "web1", "web2"]


def test_a_wrong_name_is_told(plan: Plan) -> None:
    """The sentence lists the names that there are."""
    with pytest.raises(ConfigurationError, match=r"no part 'web9': the parts are redismaster, .*haproxy$"):
        plan.chosen(["web0", "web9"])


def test_a_plan_is_kept(tmp_path: Path, plan: Plan) -> None:
    """What is saved in a directory is read back; where nothing was saved there is none."""
    assert load_plan(tmp_path) is None
    save_plan(tmp_path, plan)
    assert load_plan(tmp_path) == plan


def test_a_damaged_plan_is_told(tmp_path: Path) -> None:
    """A file that is no plan stops the show with a sentence, not with a traceback."""
    (tmp_path / "cluster.json").write_text('{"parts": 7}')
    with pytest.raises(ConfigurationError, match="remove the directory"):
        load_plan(tmp_path)
