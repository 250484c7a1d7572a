"""From a wish to a plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from datchat.cluster.files import write_files
from datchat.cluster.layout import choose_master, lay_out
from datchat.cluster.parts import Kind, Plan
from datchat.cluster.wish import Wish
from datchat.errors import ConfigurationError

SERVERS = ["redismaster", "redisslave", "redisslave2"]


class Street:
    """A network that is nowhere: places in a row."""

    kind = "namespaces"
    balancer_host = "10.0.0.99"

    def __init__(self) -> None:
        self._numbers: Iterator[int] = iter(range(1, 100))

    def lodge(self, name: str, port: int) -> tuple[str, int]:
        return f"10.0.0.{next(self._numbers)}", port

    def within(self, name: str) -> AbstractContextManager[None]:
        return nullcontext()

    def cut(self, names: Iterable[str]) -> None:
        raise NotImplementedError

    def heal(self) -> None:
        raise NotImplementedError

    def cuts(self) -> list[list[str]]:
        return []

    def close(self) -> None: ...


def test_everybody_gets_a_place(tmp_path: Path) -> None:
    """As many parts as were asked for, each at its place; the load balancer where people reach it."""
    plan = lay_out(Wish(directory=tmp_path, web=4, replicas=1), Street(), 8081, None)

    assert [part.address for part in plan.of(Kind.REDIS)] == ["10.0.0.1:6379", "10.0.0.2:6379"]
    assert len(plan.of(Kind.WEB)) == 4
    assert plan.part("haproxy").address == "127.0.0.1:8081"
    assert (plan.url, plan.balancer_host, plan.master) == ("http://127.0.0.1:8081", "10.0.0.99", "redismaster")


@pytest.mark.parametrize(
    ("host", "url"), [("0.0.0.0", "http://127.0.0.1:80"), ("::", "http://127.0.0.1:80"), ("::1", "http://[::1]:80")]
)
def test_the_url_can_be_opened(tmp_path: Path, host: str, url: str) -> None:
    """Whatever address was asked for, the URL is one for a browser."""
    assert lay_out(Wish(directory=tmp_path, host=host), Street(), 80, None).url == url


def test_nodes_can_use_another_store(tmp_path: Path) -> None:
    """A store that was asked for is what the nodes get; without one it is the cluster's own."""
    wish = Wish(directory=tmp_path)

    assert lay_out(wish, Street(), 80, None).store.startswith("redis+sentinel://10.0.0.4:26379,")
    assert lay_out(replace(wish, web_store="memory://"), Street(), 80, None).store == "memory://"
    assert lay_out(replace(wish, store_options="failover=hasten"), Street(), 80, None).store.endswith(
        "/mymaster?failover=hasten"
    )
    assert lay_out(replace(wish, web_command=("chat",)), Street(), 80, None).web_command == ("chat",)


def test_a_fresh_cluster_begins_with_the_first_server(tmp_path: Path) -> None:
    """Where nothing ran before the master is the one that is named so."""
    assert choose_master(tmp_path, None, SERVERS) == "redismaster"


@pytest.fixture
def moved(tmp_path: Path, plan: Plan) -> Plan:
    """A cluster that was stopped after a failover to redisslave2."""
    write_files(tmp_path, plan)
    for name in SERVERS:
        (tmp_path / name / "data" / "appendonlydir").mkdir()
    for part in plan.of(Kind.SENTINEL):
        path = tmp_path / part.name / "sentinel.conf"
        text = path.read_text().replace("monitor mymaster 10.213.7.10", "monitor mymaster 10.213.7.12")
        path.write_text(f"{text}sentinel config-epoch mymaster 1\n")
    return plan


def test_the_last_master_goes_on(tmp_path: Path, moved: Plan) -> None:
    """After a failover the server that took over begins, since what was acknowledged is there."""
    assert choose_master(tmp_path, moved, SERVERS) == "redisslave2"


def test_a_cluster_without_the_last_master_is_refused(tmp_path: Path, moved: Plan) -> None:
    """Fewer replicas than before, and the master is among those that are left out: its data would be."""
    with pytest.raises(ConfigurationError, match="redisslave2 was master last and holds the data: ask for as many"):
        choose_master(tmp_path, moved, SERVERS[:2])


def test_a_master_without_data_is_refused(tmp_path: Path, moved: Plan) -> None:
    """An empty master would empty its replicas too."""
    (tmp_path / "redisslave2" / "data" / "appendonlydir").rmdir()
    with pytest.raises(ConfigurationError, match=r"redisslave2 was master last and its data are gone: put .* back"):
        choose_master(tmp_path, moved, SERVERS)
