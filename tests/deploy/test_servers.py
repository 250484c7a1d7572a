"""``deploy/nomad/servers`` brings a running HAProxy to its list, and cuts nobody."""

from __future__ import annotations

import csv
import http.server
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from docs.documents import ROOT
from support.eventually import eventually_now

pytestmark = pytest.mark.skipif(
    not os.environ.get("CI") and (shutil.which("haproxy") is None or shutil.which("perl") is None),
    reason="haproxy or perl is missing",
)


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is said."""


@contextmanager
def node() -> Iterator[str]:
    """Something that is ready; its address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


class Balancer:
    """HAProxy with its list in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        self._process: subprocess.Popen[bytes] | None = None

    def list(self, **servers: str) -> None:
        lines = []
        for backend, base in (("web", "ready"), ("living", "alive")):
            lines += [f"backend {backend} from {base}", *(f"    server {n} {at}" for n, at in servers.items()), ""]
        (self._folder / "servers.cfg").write_text("\n".join(lines))

    def start(self) -> None:
        words = ["haproxy", "-db", "-f", str(ROOT / "deploy/haproxy/haproxy.cfg"), "-f", "servers.cfg"]
        told = {"DATCHAT_BIND": self.url.removeprefix("http://"), "DATCHAT_ADMIN": "unix@admin.sock"}
        self._process = subprocess.Popen(
            words,
            cwd=self._folder,
            env={**os.environ, **told},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually_now((self._folder / "admin.sock").exists, 20)

    def renew(self) -> None:
        """As Nomad does when the list has changed."""
        script = ROOT / "deploy/nomad/servers"
        subprocess.run([script, "admin.sock", "servers.cfg"], cwd=self._folder, check=True, timeout=20)

    def states(self) -> dict[str, str]:
        """The servers that new people are led to, and how they are."""
        text = httpx.get(f"{self.url}/haproxy?stats;csv", trust_env=False).text
        rows = csv.DictReader(text.lstrip("# ").splitlines())
        return {row["svname"]: row["status"] for row in rows if row["pxname"] == "web" and row["svname"] != "BACKEND"}

    def end(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)


@pytest.fixture
def balancer(tmp_path: Path) -> Iterator[Balancer]:
    running = Balancer(tmp_path)
    yield running
    running.end()


def test_nodes_come_and_go(balancer: Balancer) -> None:
    """A new node is led to once it is ready; one that goes stays until it is down, and is then forgotten."""
    with node() as second:
        with node() as first:
            balancer.list(one=first)
            balancer.start()
            eventually_now(lambda: balancer.states() == {"one": "UP"}, 20)
            balancer.list(two=second)
            balancer.renew()
            eventually_now(lambda: balancer.states() == {"one": "UP", "two": "UP"}, 20)
        eventually_now(lambda: balancer.states()["one"] == "DOWN", 20)
        balancer.renew()

        assert balancer.states() == {"two": "UP"}
        assert httpx.get(balancer.url, trust_env=False).text == "ok"


def test_a_connection_stays_open(balancer: Balancer) -> None:
    """Whoever is connected stays so while the list changes, and nothing is done when it hasn't."""
    with node() as first, node() as second, httpx.Client(base_url=balancer.url, trust_env=False) as client:
        balancer.list(one=first)
        balancer.start()
        eventually_now(lambda: balancer.states() == {"one": "UP"}, 20)
        with socket.create_connection(balancer.url.removeprefix("http://").split(":")) as person:  # type: ignore[arg-type]
            balancer.list(one=first, two=second)
            balancer.renew()
            balancer.renew()
            eventually_now(lambda: balancer.states() == {"one": "UP", "two": "UP"}, 20)
            person.sendall(b"GET / HTTP/1.1\r\nHost: chat\r\n\r\n")

            assert person.recv(100).startswith(b"HTTP/1.1 200")
        assert client.get("/").text == "ok"


def test_without_a_balancer(tmp_path: Path) -> None:
    """It says so, and fails: Nomad shows that."""
    (tmp_path / "servers.cfg").write_text("backend web\n")
    script = ROOT / "deploy/nomad/servers"
    done = subprocess.run(
        [script, "nowhere.sock", "servers.cfg"], cwd=tmp_path, capture_output=True, text=True, timeout=20, check=False
    )

    assert done.returncode != 0
    assert "no HAProxy answers at nowhere.sock" in done.stderr
