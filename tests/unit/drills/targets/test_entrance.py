"""How people come in: by what stands before the Service, or by a host that is ready."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from datchat.drills.targets.entrance import balanced, by_node_port, node_port, ready_nodes


@pytest.mark.parametrize(
    ("ingress", "url"),
    [
        ([], None),
        ([{"ip": "192.0.2.7"}], "http://192.0.2.7:80"),
        ([{"ip": "2001:db8::7"}], "http://[2001:db8::7]:80"),
        ([{"hostname": "chat.example.org"}], "http://chat.example.org:80"),
        ([{}], None),
    ],
)
def test_a_load_balancer_comes_first(ingress: list[dict[str, str]], url: str | None) -> None:
    """Where the Service has one, by whatever it is known."""
    service: dict[str, Any] = {"spec": {"ports": [{"port": 80}]}, "status": {"loadBalancer": {"ingress": ingress}}}
    assert balanced(service) == url


def test_the_port_of_every_host() -> None:
    """If the Service has one."""
    assert node_port({"spec": {"ports": [{"port": 80, "nodePort": 30080}]}}) == 30080
    assert node_port({"spec": {"ports": [{"port": 80}]}}) is None


def test_only_ready_hosts_let_people_in() -> None:
    """As a load balancer would know it."""

    def node(name: str, ready: str, address: str) -> dict[str, Any]:
        addresses = [{"type": "Hostname", "address": name}, {"type": "InternalIP", "address": address}]
        status = {"conditions": [{"type": "Ready", "status": ready}], "addresses": addresses}
        return {"metadata": {"name": name}, "status": status}

    listed = {"items": [node("a", "True", "192.0.2.1"), node("b", "Unknown", "192.0.2.2")]}

    assert ready_nodes(listed) == {"a": "192.0.2.1"}


async def test_a_host_that_does_not_answer_is_passed_over() -> None:
    """The next one lets people in; when none does they are told at once."""
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def addresses() -> list[str]:
        return ["127.0.0.2", "127.0.0.1"]

    way = by_node_port(addresses, port)
    async with server:
        for _ in range(8):
            _, writer = await way()
            writer.close()
    with pytest.raises(ConnectionError, match="no node lets anybody in"):
        await way()
