"""
Where the parts live: each in a network namespace with an address of its own, or all on 127.0.0.1.

Namespaces, their links, the bridge and the host's address hang on descriptors of the supervisor alone: when it ends,
however it ends, the kernel takes them all away. The bridge lies in a namespace too, where no firewall of the host acts.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Final, Literal, Protocol

from datchat.cluster.kernel import WithinNetwork, new_network
from datchat.cluster.netlink import Links
from datchat.errors import ConfigurationError

Choice = Literal["auto", "namespaces", "loopback"]

_MAIN: Final = "main"
_FIRST_HOST: Final = 10
_BLOCK: Final = 64


class Network(Protocol):
    """What the supervisor asks of either kind."""

    @property
    def kind(self) -> str:
        """``namespaces`` or ``loopback``."""
        ...

    @property
    def balancer_host(self) -> str:
        """The address from which the load balancer reaches the web nodes."""
        ...

    def lodge(self, name: str, port: int) -> tuple[str, int]:
        """Give a part its place; returns its address and port: ``port`` where that can be had."""
        ...

    def within(self, name: str) -> AbstractContextManager[None]:
        """Be where the part is, to make a socket or a process there. Nothing may be awaited meanwhile."""
        ...

    def cut(self, names: Iterable[str]) -> None:
        """
        Cut these parts from all others while they reach each other; what was cut off before and is not named stays so.

        Raises:
            ConfigurationError: This network can't be cut.
        """
        ...

    def heal(self) -> None:
        """Undo every cut."""
        ...

    def cuts(self) -> list[list[str]]:
        """The groups that are cut off now."""
        ...

    def close(self) -> None:
        """Take it all away. Closing it again is no error."""
        ...


class Loopback:
    """Every part on 127.0.0.1, each on a port of its own."""

    kind = "loopback"
    balancer_host = "127.0.0.1"

    def __init__(self) -> None:
        self._base, self._claim = _claim_ports()
        self._taken = 0

    def lodge(self, name: str, port: int) -> tuple[str, int]:
        self._taken += 1
        if self._taken > _BLOCK:
            raise ConfigurationError(f"a cluster on one address has at most {_BLOCK} parts: ask for fewer nodes")
        return "127.0.0.1", self._base + self._taken - 1

    def within(self, name: str) -> AbstractContextManager[None]:
        return nullcontext()

    def cut(self, names: Iterable[str]) -> None:
        raise ConfigurationError("a partition needs network namespaces: run the cluster as root")

    def heal(self) -> None:
        """There is nothing to undo."""

    def cuts(self) -> list[list[str]]:
        return []

    def close(self) -> None:
        self._claim.close()


class Namespaces:
    """
    A bridge, a namespace for each part, and a cable to the host, whose address ends in ``.1``.

    Raises:
        OSError: The kernel does not allow it.
    """

    kind = "namespaces"

    def __init__(self) -> None:
        self._networks: dict[str, int] = {}
        self._cuts: dict[str, list[str]] = {}
        self._cut_number = 0
        self._hub = new_network()
        try:
            with Links(self._hub) as hub:
                hub.add_bridge(_MAIN)
                self._number, self._net = self._connect_host()
                hub.plug("host", _MAIN)
                hub.set_up("host")
        except BaseException:
            os.close(self._hub)
            raise

    def _connect_host(self) -> tuple[int, str]:
        with Links() as host:
            for number, net in _subnets():
                name = f"datchat{number}"
                # The link's name is the claim: of two clusters that start at once, one is told that it exists.
                try:
                    host.add_pair(name, "host", self._hub)
                except FileExistsError:
                    continue
                host.add_address(name, f"{net}.1", 24)
                host.set_up(name)
                _ask_often(name)
                return number, net
        raise ConfigurationError("no free network 10.213.x.0/24 is left: take another cluster down")

    @property
    def balancer_host(self) -> str:
        return self.address_of("haproxy")

    def address_of(self, name: str) -> str:
        return f"{self._net}.{_FIRST_HOST + list(self._networks).index(name)}"

    def lodge(self, name: str, port: int) -> tuple[str, int]:
        if len(self._networks) >= 200:
            raise ConfigurationError("a cluster has at most 200 parts: ask for fewer nodes")
        network = self._networks[name] = new_network()
        address = self.address_of(name)
        link = f"part{len(self._networks)}"
        with Links(self._hub) as hub, Links(network) as own:
            hub.add_pair(link, "eth0", network)
            hub.plug(link, _MAIN)
            hub.set_up(link)
            own.set_up("lo")
            own.set_up("eth0")
            own.add_address("eth0", address, 24)
        with WithinNetwork(network):
            _ask_often("eth0")
        return address, port

    def within(self, name: str) -> AbstractContextManager[None]:
        return WithinNetwork(self._networks[name])

    def cut(self, names: Iterable[str]) -> None:
        chosen = list(dict.fromkeys(names))
        self._cut_number += 1
        bridge = f"cut{self._cut_number}"
        with Links(self._hub) as hub:
            hub.add_bridge(bridge)
            for name in chosen:
                hub.plug(self._link(name), bridge)
        remaining = {known: [name for name in group if name not in chosen] for known, group in self._cuts.items()}
        self._cuts = {**remaining, bridge: chosen}
        self._remove_empty()

    def heal(self) -> None:
        with Links(self._hub) as hub:
            for name in [name for group in self._cuts.values() for name in group]:
                hub.plug(self._link(name), _MAIN)
        self._cuts = {bridge: [] for bridge in self._cuts}
        self._remove_empty()

    def cuts(self) -> list[list[str]]:
        return list(self._cuts.values())

    def close(self) -> None:
        if not self._networks:
            return
        with contextlib.suppress(OSError), Links() as host:
            # At once, rather than when the kernel gets round to the namespaces.
            host.remove(f"datchat{self._number}")
        for descriptor in (*self._networks.values(), self._hub):
            os.close(descriptor)
        self._networks = {}

    def _link(self, name: str) -> str:
        return f"part{list(self._networks).index(name) + 1}"

    def _remove_empty(self) -> None:
        with Links(self._hub) as hub:
            for bridge in [bridge for bridge, group in self._cuts.items() if not group]:
                hub.remove(bridge)
                del self._cuts[bridge]


def open_network(choice: Choice) -> tuple[Network, str | None]:
    """
    The network for a cluster, and a sentence when it is less than was hoped for.

    Raises:
        ConfigurationError: ``namespaces`` was asked for and can't be had.
    """
    if choice == "loopback":
        return Loopback(), None
    try:
        return Namespaces(), None
    except OSError as error:
        reason = error.strerror or str(error)
    if choice == "namespaces":
        raise ConfigurationError(f"network namespaces can't be made here ({reason}): run it as root")
    note = None
    if os.geteuid() == 0:
        note = f"network namespaces can't be made here ({reason}): all parts share 127.0.0.1, and none can be cut off"
    return Loopback(), note


def _ask_often(link: str) -> None:
    """
    Ask for a neighbour's address each 100 ms, as long as by default (3 s), instead of each second.

    The first question is lost when the bridge has not noticed yet that the cable is plugged in.
    """
    folder = Path("/proc/sys/net/ipv4/neigh") / link
    with contextlib.suppress(OSError):  # in a container that may not: slower, and as right
        (folder / "retrans_time_ms").write_text("100")
        (folder / "mcast_solicit").write_text("30")


def _subnets() -> Iterator[tuple[int, str]]:
    """Private networks that the host has no more specific route into: 10.213.x, else 198.18.x (RFC 2544)."""
    known = list(_routes())
    for base in ("10.213", "198.18"):
        for number in range(256):
            net = ipaddress.ip_network(f"{base}.{number}.0/24")
            if not any(net.overlaps(route) for route in known):
                yield number, f"{base}.{number}"


def _routes() -> Iterator[ipaddress.IPv4Network]:
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        fields = line.split()
        destination, mask = (socket.inet_ntoa(int(field, 16).to_bytes(4, "little")) for field in (fields[1], fields[7]))
        if mask != "0.0.0.0":
            yield ipaddress.IPv4Network(f"{destination}/{mask}")


def _claim_ports() -> tuple[int, socket.socket]:
    """
    The first of a block of free ports, and the socket that claims it from other clusters while it is open.

    Ephemeral ports won't do: while a part is stopped, anybody's outgoing connection could take its port away.
    """
    for base in range(20_000, 32_000, _BLOCK):
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            claim.bind(f"\0datchat-ports-{base}")
            for port in range(base, base + _BLOCK):
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        return base, claim
    raise ConfigurationError(f"no block of {_BLOCK} free ports is left between 20000 and 32000: stop other clusters")
