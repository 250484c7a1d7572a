"""Servers and sentinels whose hosts do not know all names: what deploy/redis does about it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.clusters import needs_root
from support.eventually import eventually_now
from support.named import Named, NamedCluster, fields, follows, named_cluster, whole
from support.redis_servers import NAME

pytestmark = [needs_root, pytest.mark.timeout(120)]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[NamedCluster]:
    with named_cluster(tmp_path) as cluster:
        yield cluster


def hand_over(cluster: NamedCluster, unknowing: Named) -> None:
    """The replica is made master, and this sentinel hears of it when it does not know the replica's name."""
    successor = cluster.servers[1]
    unknowing.knows(*(name for name in cluster.names if name != successor.name))
    assert cluster.sentinels[1].answer("SENTINEL", "FAILOVER", NAME) == "OK"
    for sentinel in cluster.sentinels:
        if sentinel is not unknowing:
            eventually_now(lambda sentinel=sentinel: fields(sentinel).get("ip") == successor.name, 20)  # type: ignore[misc]
    eventually_now(lambda: "+switch-master" in unknowing.log, 20)


def test_a_sentinel_that_could_not_follow_follows_later(cluster: NamedCluster) -> None:
    """
    It holds to the old master while it does not know the new one's name, and to the new one when it does, by the
    template's rules.
    """
    cluster.start()
    stuck, successor = cluster.sentinels[0], cluster.servers[1]
    before = fields(stuck)

    hand_over(cluster, stuck)
    # It is not left without any master meanwhile.
    eventually_now(lambda: "whose name is not known here: waiting" in stuck.log, 10, describe=lambda: stuck.log)
    assert fields(stuck)["ip"] == cluster.servers[0].name
    stuck.knows(*cluster.names)

    eventually_now(lambda: fields(stuck).get("ip") == successor.name, 10, describe=lambda: stuck.log)
    eventually_now(lambda: whole(fields(stuck)), 20, describe=lambda: fields(stuck))
    after = fields(stuck)
    for rule in ("quorum", "down-after-milliseconds", "failover-timeout", "parallel-syncs"):
        assert after[rule] == before[rule]
    assert f"it is {successor.name} {successor.port}" in stuck.log


def test_without_the_others_named_it_holds_to_the_old_one(cluster: NamedCluster) -> None:
    """What the test above sees is the script's doing, not Sentinel's own."""
    cluster.start(SENTINELS="")
    stuck = cluster.sentinels[0]

    hand_over(cluster, stuck)
    stuck.knows(*cluster.names)
    hellos = int(fields(cluster.sentinels[1])["config-epoch"])

    # It has heard of the change, and of nothing new after it.
    eventually_now(lambda: int(fields(stuck).get("config-epoch", 0)) == hellos, 10)
    eventually_now(lambda: fields(stuck).get("role-reported") == "slave", 20)
    eventually_now(lambda: int(fields(stuck).get("role-reported-time", 0)) > 5000, 20)
    assert fields(stuck)["ip"] == cluster.servers[0].name


def test_a_sentinel_without_its_master_takes_the_others_word(cluster: NamedCluster) -> None:
    """It can't have been told of one and forgotten the other: whatever came in between is mended."""
    cluster.start()
    bare = cluster.sentinels[2]

    assert bare.answer("SENTINEL", "REMOVE", NAME) == "OK"

    eventually_now(lambda: whole(fields(bare)), 20, describe=lambda: bare.log)


def test_sentinels_that_agree_are_left_alone(cluster: NamedCluster) -> None:
    """A handover that all hear of is none of the script's business."""
    cluster.start()
    successor = cluster.servers[1]

    assert cluster.sentinels[1].answer("SENTINEL", "FAILOVER", NAME) == "OK"

    for sentinel in cluster.sentinels:
        eventually_now(lambda sentinel=sentinel: fields(sentinel).get("ip") == successor.name, 20)  # type: ignore[misc]
        eventually_now(lambda sentinel=sentinel: whole(fields(sentinel)), 20)  # type: ignore[misc]
        assert "told of a new master" not in sentinel.log


def test_a_server_that_cannot_reach_the_master_waits(cluster: NamedCluster) -> None:
    """The sentinels reach it: a replica without its data would only make posts wait. It starts when it can follow."""
    cluster.start()
    master, replica = cluster.servers
    replica.kill()
    replica.knows(*(name for name in cluster.names if name != master.name))

    cluster.serve(replica)
    eventually_now(lambda: "waiting until it can be reached from here, too" in replica.log, 10)
    # Longer than it waits for a master that is down.
    with pytest.raises(AssertionError, match="not within"):
        eventually_now(lambda: replica.answer("PING"), 12)
    replica.knows(*cluster.names)

    eventually_now(lambda: follows(replica), 10)


def test_a_server_whose_master_is_down_starts_after_ten_seconds(cluster: NamedCluster) -> None:
    """Somebody has to be there to be made master in its place."""
    cluster.start()
    master, replica = cluster.servers
    replica.kill()
    master.kill()

    cluster.serve(replica)
    eventually_now(lambda: "take it for down: waiting 10 s" in replica.log, 10, describe=lambda: replica.log)
    eventually_now(lambda: (replica.answer("ROLE") or [""])[0] == "master", 60)
    assert f"starting as a replica of {master.name}:{master.port}" in replica.log
