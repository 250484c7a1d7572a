"""TLS at the balancer of Docker Compose, with compose.tls.yaml over what runs."""

from __future__ import annotations

import ssl

import httpx
import pytest

from datchat.client import Api, Client
from support.compose import ROOT, START_S, Project, needs_engine
from support.eventually import eventually_now
from support.people import PASSWORD, fresh
from support.redis_servers import free_port

pytestmark = [needs_engine, pytest.mark.timeout(600)]

CERTIFICATE = ROOT / "tests" / "support" / "tls"


def trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(CERTIFICATE / "cert.pem"))


def address(project: Project) -> str:
    """Where people with TLS come in."""
    return f"https://localhost:{project.environment['DATCHAT_TLS_PORT']}"


@pytest.fixture(scope="module")
def secure(running: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project with TLS."""
    together = tmp_path_factory.mktemp("tls") / "chat.pem"
    together.write_text("".join((CERTIFICATE / name).read_text() for name in ("cert.pem", "key.pem")))
    told = {"CERTIFICATE_FILE": str(together), "DATCHAT_TLS_PORT": str(free_port())}
    running.do("up", "-d", timeout_s=START_S)
    running.wait_until_whole()
    before = running.containers()
    other = running.over("compose.tls.yaml", **told)
    other.do("up", "-d", timeout_s=START_S)
    # Whoever adds it to a chat that runs stops nothing but the balancer.
    assert {name for name, is_now in other.containers().items() if is_now["Id"] != before[name]["Id"]} == {"haproxy"}
    other.wait_until_whole()
    eventually_now(lambda: other.ready(address(other), verify=trusting()), START_S)
    return other


def test_the_page_is_for_https_alone(secure: Project) -> None:
    """Its cookies are, who comes without TLS is led to where it is, and Docker finds the balancer healthy."""
    page = httpx.get(f"{address(secure)}/auth/sign_in", verify=trusting())
    assert page.status_code == 200
    assert page.headers.get_list("set-cookie")
    assert all("Secure" in cookie.split("; ") for cookie in page.headers.get_list("set-cookie"))

    led = httpx.get(f"http://localhost:{secure.port}/rooms/lobby?at=3")
    assert (led.status_code, led.headers["location"]) == (308, f"{address(secure)}/rooms/lobby?at=3")
    secure.do("exec", "-T", "haproxy", *secure.containers()["haproxy"]["Config"]["Healthcheck"]["Test"][1:])


async def test_the_socket_goes_over_tls(secure: Project) -> None:
    """A client posts over wss."""
    name = fresh("secret")
    async with Api(address(secure), ssl_context=trusting()) as api:
        await api.sign_up(f"{name}@example.org", PASSWORD, name)
        session = await api.sign_in(f"{name}@example.org", PASSWORD)
    async with Client(address(secure), session.token, ssl_context=trusting()) as chat:
        stored = await (await chat.join("lobby")).post("nobody on the way can read this")

    assert stored.offset >= 1


def test_without_a_certificate(running: Project) -> None:
    """Nothing starts, and one sentence says what to give."""
    said = running.over("compose.tls.yaml").do("up", "-d", code=1)

    assert "set CERTIFICATE_FILE to a PEM file with the certificate and its key" in said
    assert "\n" not in said.strip()
