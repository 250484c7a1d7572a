"""What is asked of the kernel about links, seen where it shows."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from datchat.cluster.kernel import WithinNetwork, new_network
from datchat.cluster.netlink import Links
from support.clusters import needs_root


@needs_root
def test_a_route_leads_out_by_its_link() -> None:
    """To the network that was named, with its prefix; a second one like it is refused."""
    network = new_network()
    try:
        with Links(network) as links:
            links.add_bridge("one")
            links.add_route("one", "10.1.2.128", 25)
            with pytest.raises(FileExistsError):
                links.add_route("one", "10.1.2.128", 25)
        with WithinNetwork(network):
            _, line = Path("/proc/thread-self/net/route").read_text().splitlines()
    finally:
        os.close(network)
    link, destination, *_, mask, _, _, _ = line.split()
    assert link == "one"
    assert [socket.inet_ntoa(int(field, 16).to_bytes(4, "little")) for field in (destination, mask)] == [
        "10.1.2.128",
        "255.255.255.128",
    ]
