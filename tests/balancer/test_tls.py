"""TLS ends at HAProxy: the nodes behind it know, and set cookies for https alone."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from datchat.client import Api, Client
from datchat.cluster.files import deployed, haproxy_cfg
from datchat.cluster.parts import Kind, Part, Plan
from datchat.cluster.recipes import search_path
from support.clusters import needs_servers
from support.eventually import eventually_now
from support.people import PASSWORD, fresh
from support.process import ServerProcess

pytestmark = needs_servers

TLS = Path(__file__).parents[1] / "support" / "tls"


class Balancer:
    """A HAProxy with TLS before one node; people who come without are led there."""

    def __init__(self, folder: Path, node: str) -> None:
        host, _, port = node.removeprefix("http://").rpartition(":")
        part = Part("web0", Kind.WEB, host, int(port))
        plan = Plan(network="loopback", parts=(part,), master="", url="", store="", balancer_host="127.0.0.1")
        (folder / "haproxy.cfg").write_text(haproxy_cfg(plan))
        (folder / "chat.pem").write_text((TLS / "cert.pem").read_text() + (TLS / "key.pem").read_text())
        with socket.create_server(("127.0.0.1", 0)) as secure, socket.create_server(("127.0.0.1", 0)) as plain:
            self.secure = f"https://localhost:{secure.getsockname()[1]}"
            self.plain = f"http://localhost:{plain.getsockname()[1]}"
            settings = {
                "PATH": search_path(),
                "DATCHAT_BIND": f"fd@{secure.fileno()} ssl crt chat.pem alpn http/1.1",
                "DATCHAT_BIND_HTTP": f"fd@{plain.fileno()}",
                "DATCHAT_TLS_PORT": self.secure.rpartition(":")[2],
                "DATCHAT_ADMIN": "unix@admin.sock",
            }
            self.process = subprocess.Popen(
                ["haproxy", "-db", "-f", "haproxy.cfg", "-f", str(deployed("haproxy/to-https.cfg"))],
                cwd=folder,
                env={**os.environ, **settings},
                pass_fds=(secure.fileno(), plain.fileno()),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )


@pytest.fixture(scope="module")
def trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(TLS / "cert.pem"))


@pytest.fixture(scope="module")
def balancer(tmp_path_factory: pytest.TempPathFactory, trusting: ssl.SSLContext) -> Iterator[Balancer]:
    folder = tmp_path_factory.mktemp("tls")
    with ServerProcess("--data", folder / "data") as node:
        made = Balancer(folder, node.url)

        def leads() -> bool:
            try:
                return httpx.get(f"{made.secure}/haproxy/alive", verify=trusting).status_code == 200
            except httpx.TransportError:
                return False

        try:
            eventually_now(leads, 20)
            yield made
        finally:
            made.process.kill()
            made.process.wait()


def test_cookies_are_for_https_alone(balancer: Balancer, trusting: ssl.SSLContext) -> None:
    """The node believes HAProxy that the page went over TLS: Secure cookies, and Strict-Transport-Security."""
    answer = httpx.get(f"{balancer.secure}/auth/sign_in", verify=trusting)

    assert answer.status_code == 200
    assert answer.headers.get_list("set-cookie")
    assert all("Secure" in cookie.split("; ") for cookie in answer.headers.get_list("set-cookie"))
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


async def test_the_socket_goes_over_tls(balancer: Balancer, trusting: ssl.SSLContext) -> None:
    """A client posts over wss, through HAProxy."""
    name = fresh("secret")
    async with Api(balancer.secure, ssl_context=trusting) as api:
        await api.sign_up(f"{name}@example.org", PASSWORD, name)
        session = await api.sign_in(f"{name}@example.org", PASSWORD)
    async with Client(balancer.secure, session.token, ssl_context=trusting) as chat:
        stored = await (await chat.join("lobby")).post("nobody on the way can read this")

    assert stored.offset >= 1


def test_who_comes_without_tls_is_led_there(balancer: Balancer) -> None:
    """A permanent redirect that keeps method, host and path, to the port that has TLS."""
    answer = httpx.get(f"{balancer.plain}/rooms/lobby?at=3")

    assert answer.status_code == 308
    assert answer.headers["location"] == balancer.secure + "/rooms/lobby?at=3"
    assert answer.headers.get_list("set-cookie") == []


def test_whether_it_works_is_told_without_tls(balancer: Balancer) -> None:
    """keepalived's questions and health checks need no certificate: HAProxy answers on the other port, too."""
    assert httpx.get(f"{balancer.plain}/haproxy/alive").status_code == 200
