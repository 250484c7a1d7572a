"""Both networks: places, and what reaches what."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from datchat.cluster.network import Loopback, Namespaces, open_network
from datchat.errors import ConfigurationError
from support.clusters import needs_root
from support.eventually import eventually_now
from support.links import link_to, links

NAMES = ("redismaster", "redisslave", "web0", "haproxy")


class Town:
    """A network with a part that listens at each of its places."""

    def __init__(self, network: Namespaces) -> None:
        self.network = network
        self.places = {name: network.lodge(name, 7000) for name in NAMES}
        self._listeners = []
        for name, place in self.places.items():
            with network.within(name):
                self._listeners.append(socket.create_server(place))

    def reaches(self, one: str | None, other: str) -> bool:
        """Whether a part (this machine, when None) can open a connection to another."""
        with self.network.within(one) if one else contextlib.nullcontext():
            connection = socket.socket()
        with connection:
            connection.settimeout(0.3)
            try:
                connection.connect(self.places[other])
            except OSError:
                return False
            return True

    def close(self) -> None:
        for listener in self._listeners:
            listener.close()
        self.network.close()


@pytest.fixture
def town() -> Iterator[Town]:
    town = Town(Namespaces())
    yield town
    town.close()


@needs_root
def test_everybody_reaches_everybody(town: Town) -> None:
    """Each part has an address of its own; parts and machine reach each other."""
    assert len({host for host, _ in town.places.values()}) == len(NAMES)
    assert {port for _, port in town.places.values()} == {7000}
    for one in (*NAMES, None):
        for other in NAMES:
            eventually_now(lambda one=one, other=other: town.reaches(one, other))  # type: ignore[misc]
    assert town.network.balancer_host == town.places["haproxy"][0]


@needs_root
def test_a_cut_is_between_groups(town: Town) -> None:
    """Those that are cut off together reach each other, and nobody else; healed, all is as before."""
    town.network.cut(["redismaster", "web0"])
    assert town.network.cuts() == [["redismaster", "web0"]]
    eventually_now(lambda: town.reaches("redismaster", "web0"))
    eventually_now(lambda: town.reaches("redisslave", "haproxy"))
    assert town.reaches("redismaster", "redismaster")
    assert not town.reaches("redismaster", "redisslave")
    assert not town.reaches("redisslave", "web0")
    assert not town.reaches(None, "redismaster")

    town.network.heal()
    assert town.network.cuts() == []
    eventually_now(lambda: town.reaches("redisslave", "web0"))
    eventually_now(lambda: town.reaches(None, "redismaster"))


@needs_root
def test_a_second_cut_adds_to_the_first(town: Town) -> None:
    """A part that is cut off anew leaves its group; the others of it stay cut off."""
    town.network.cut(["redismaster", "web0"])
    town.network.cut(["web0"])
    assert town.network.cuts() == [["redismaster"], ["web0"]]
    assert not town.reaches("redismaster", "web0")
    assert not town.reaches("redismaster", "redisslave")
    assert not town.reaches("web0", "haproxy")
    town.network.cut(["redismaster"])
    assert town.network.cuts() == [["web0"], ["redismaster"]]


@needs_root
def test_a_cut_loses_what_is_under_way(town: Town) -> None:
    """An open connection falls silent, as with a cable that is pulled: nothing arrives, and nobody is told."""
    with town.network.within("web0"):
        connection = socket.create_connection(town.places["redismaster"], 5)
    with connection:
        town.network.cut(["web0"])
        connection.sendall(b"into the void")
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1)


@needs_root
def test_two_clusters_do_not_meet() -> None:
    """Each takes a free network, and gives it back."""
    one, other = Namespaces(), Namespaces()
    hosts = [network.lodge("haproxy", 7000)[0] for network in (one, other)]
    cables = [link_to(host) for host in hosts]
    assert [len(cable) for cable in cables] == [1, 1]
    assert hosts[0].rpartition(".")[0] != hosts[1].rpartition(".")[0]
    for network in (one, other):
        network.close()
        network.close()
    assert not set.union(*cables) & links()


@needs_root
def test_nothing_is_left_of_one_that_was_killed(tmp_path: Path) -> None:
    """Namespaces, links and addresses go with the process that made them, however it ends."""
    script = """
import os, signal
from datchat.cluster.network import Namespaces
network = Namespaces()
print(network.lodge("web0", 7000)[0], flush=True)
input()
os.kill(os.getpid(), signal.SIGKILL)
"""
    named = {path.name for path in Path("/run/netns").glob("*")}
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as one:
        assert one.stdin is not None
        assert one.stdout is not None
        cable = link_to(one.stdout.readline().strip())
        assert len(cable) == 1
        one.stdin.write("\n")
        one.stdin.flush()
        one.wait(20)

    eventually_now(lambda: not cable & links())
    assert {path.name for path in Path("/run/netns").glob("*")} == named


def test_ports_of_two_clusters_differ() -> None:
    """On one address each cluster has a block of ports; all are below those that connections are given."""
    one, other = Loopback(), Loopback()
    places = [network.lodge(name, 6379) for network in (one, other) for name in NAMES]
    assert len(set(places)) == 2 * len(NAMES)
    assert all(host == "127.0.0.1" and 20_000 <= port < 32_000 for host, port in places)
    one.close()
    other.close()


def test_one_address_can_not_be_cut() -> None:
    """Without namespaces a partition is refused with what is missing; there is nothing to heal."""
    network, note = open_network("loopback")
    assert note is None
    with pytest.raises(ConfigurationError, match="a partition needs network namespaces: run the cluster as root"):
        network.cut(["web0"])
    network.heal()
    assert network.cuts() == []
    network.close()


def test_a_block_has_an_end() -> None:
    """More parts than ports are refused."""
    network = Loopback()
    for number in range(64):
        network.lodge(f"web{number}", 8080)
    with pytest.raises(ConfigurationError, match="at most 64 parts"):
        network.lodge("web64", 8080)
    network.close()


def test_without_the_right_to_make_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was asked for is refused, what would be nice is done without; root is told so."""

    def refuse() -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("datchat.cluster.network.new_network", refuse)
    with pytest.raises(ConfigurationError, match=r"can't be made here .Operation not permitted.: run it as root"):
        open_network("namespaces")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    network, note = open_network("auto")
    assert (network.kind, note) == (
        "loopback",
        "network namespaces can't be made here (Operation not permitted): all parts share 127.0.0.1, and none can be "
        "cut off",
    )
    network.close()
