"""From `up` to `down`, by whatever end: what is refused, what is kept, and that nothing is left."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from datchat.cluster.parts import load_plan
from support.clusters import PARTS, SENTINELS, Cluster, lives, needs_root, needs_servers
from support.eventually import eventually_now
from support.links import link_to, links
from support.process import DATCHAT, datchat, environment

pytestmark = needs_servers

LIGHT = ("--web", "1", "--replicas", "1", "--web-store", "memory://")
"""A cluster that starts faster, for tests of something else than its parts."""


def listens(address: tuple[str, int]) -> bool:
    """Whether somebody takes connections there."""
    with socket.socket() as connection:
        connection.settimeout(1)
        return connection.connect_ex(address) == 0


@pytest.mark.parametrize(
    "network", [pytest.param("namespaces", marks=needs_root), "loopback"], ids=["namespaces", "loopback"]
)
def test_up_and_down(tmp_path: Path, network: str) -> None:
    """The usual cluster starts, in either network; afterwards neither a process, a port, a link nor a file is left."""
    cluster = Cluster(tmp_path / "c", "--network", network)
    with cluster:
        parts = cluster.ps()
        assert tuple(parts) == PARTS
        assert {part["state"] for part in parts.values()} == {"running"}
        assert [parts[name]["role"] for name in PARTS[:3]] == ["master", "replica", "replica"]
        supervisor = cluster.supervisor()
        cable = link_to(parts["redismaster"]["host"])
        assert len(cable) == (network == "namespaces")

    assert not [name for name, part in parts.items() if lives(part["pid"])]
    eventually_now(lambda: not lives(supervisor))
    here = [(part["host"], part["port"]) for part in parts.values() if part["host"] == "127.0.0.1"]
    assert not [address for address in here if listens(address)]
    assert not cable & links()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "network", [pytest.param("namespaces", marks=needs_root), "loopback"], ids=["namespaces", "loopback"]
)
def test_a_supervisor_that_is_killed(tmp_path: Path, network: str) -> None:
    """kill -9 of the supervisor takes every process and link with it; the next `up` goes on, and `down` cleans up."""
    cluster = Cluster(tmp_path / "c", "--network", network, *LIGHT)
    cluster.up()
    parts = cluster.ps()
    cable = link_to(parts["redismaster"]["host"])
    assert len(cable) == (network == "namespaces")
    secret = (cluster.directory / "secret").read_text()
    os.kill(cluster.supervisor(), signal.SIGKILL)

    eventually_now(lambda: not any(lives(part["pid"]) for part in parts.values()))
    eventually_now(lambda: not cable & links())
    assert "no cluster runs in" in cluster.do("ps", code=2)
    cluster.up()
    assert {part["state"] for part in cluster.ps().values()} == {"running"}
    assert (cluster.directory / "secret").read_text() == secret
    os.kill(cluster.supervisor(), signal.SIGKILL)
    assert cluster.do("down").startswith("the cluster is down after")
    assert cluster.do("down") == f"there is no cluster in {cluster.directory}\n"
    assert list(tmp_path.iterdir()) == []


def test_what_a_supervisor_that_is_terminated_does(tmp_path: Path) -> None:
    """SIGTERM to it stops the parts in order and keeps the data, as a machine that shuts down wants it."""
    cluster = Cluster(tmp_path / "c", "--network", "loopback", *LIGHT)
    cluster.up()
    supervisor = cluster.supervisor()
    os.kill(supervisor, signal.SIGTERM)
    eventually_now(lambda: not lives(supervisor), 20)

    assert "-- redismaster ended with code 0" in cluster.log("redismaster")
    assert "Redis is now ready to exit" in cluster.log("redismaster")
    assert "-- web0 ended with code 0" in cluster.log("web0")
    cluster.do("down")


def test_a_directory_that_is_removed(tmp_path: Path) -> None:
    """Whoever removes a running cluster's directory is rid of the cluster too."""
    cluster = Cluster(tmp_path / "c", "--network", "loopback", *LIGHT)
    cluster.up()
    parts, supervisor = cluster.ps(), cluster.supervisor()
    shutil.rmtree(cluster.directory)

    eventually_now(lambda: not lives(supervisor), 20)
    assert not [name for name, part in parts.items() if lives(part["pid"])]


def test_data_are_kept_when_that_is_wanted(tmp_path: Path) -> None:
    """After `down --keep-data` the next `up` goes on with them, and with the master that was last."""
    cluster = Cluster(tmp_path / "c", "--network", "loopback", *LIGHT)
    cluster.up()
    ask(cluster, "redismaster", "SET", "kept", "yes")
    ask(cluster, "redissentinel", "SENTINEL", "FAILOVER", "mymaster")
    eventually_now(lambda: role(cluster, "redisslave") == "master", 15)
    eventually_now(lambda: role(cluster, "redismaster") == "replica", 15)
    assert f"; its data stay in {cluster.directory}" in cluster.do("down", "--keep-data")
    assert (cluster.directory / "redisslave" / "data" / "appendonlydir").is_dir()
    cluster.up()

    assert [role(cluster, name) for name in ("redismaster", "redisslave")] == ["replica", "master"]
    assert ask(cluster, "redisslave", "GET", "kept") == b"$3\r\nyes\r\n"
    cluster.do("down")


def role(cluster: Cluster, name: str) -> str | None:
    found: str | None = cluster.ps()[name]["role"]
    return found


def ask(cluster: Cluster, name: str, *words: str) -> bytes:
    """A server's answer to one command, as it comes."""
    plan = load_plan(cluster.directory)
    assert plan is not None
    part = plan.part(name)
    with socket.create_connection((part.host, part.port), 5) as connection:
        connection.sendall(" ".join(words).encode() + b"\r\n")
        return connection.recv(4096)


def test_parts_are_started_again_when_that_is_wanted(tmp_path: Path) -> None:
    """With --restart a node that was killed comes back by itself; one that was told to end stays down."""
    with Cluster(tmp_path / "c", "--network", "loopback", "--restart", *LIGHT) as cluster:
        node, balancer = (cluster.ps()[name]["pid"] for name in ("web0", "haproxy"))
        cluster.do("kill", "haproxy")
        assert not lives(balancer)
        os.kill(node, signal.SIGKILL)
        eventually_now(lambda: cluster.ps()["web0"]["pid"] not in (node, None), 20)

        assert "-- web0 started again, 1 s after its end" in cluster.log("web0")
        assert cluster.states()["haproxy"] == "stopped"


def test_a_redis_server_is_started_again_after_five_seconds(tmp_path: Path) -> None:
    """Not earlier, so that the sentinels see that it is gone."""
    with Cluster(tmp_path / "c", "--network", "loopback", *LIGHT, DATCHAT_RESTART="1") as cluster:
        os.kill(cluster.ps()["redisslave"]["pid"], signal.SIGKILL)
        eventually_now(lambda: role(cluster, "redisslave") == "replica", 20)
        assert "-- redisslave started again, 5 s after its end" in cluster.log("redisslave")


def test_more_parts(tmp_path: Path) -> None:
    """As many nodes and replicas as were asked for, all of them followed and led to."""
    options = ("--network", "loopback", "--web", "2", "--replicas", "3", "--web-store", "memory://")
    with Cluster(tmp_path / "c", *options) as cluster:
        parts = cluster.ps()
        assert [name for name in parts if name.startswith("web")] == ["web0", "web1"]
        assert [name for name, part in parts.items() if part["role"] == "replica"] == [
            "redisslave",
            "redisslave2",
            "redisslave3",
        ]
        assert "a partition needs network namespaces" in cluster.do("partition", "web0", code=2)


def test_in_the_foreground(tmp_path: Path) -> None:
    """What the parts say stands behind their names; Ctrl-C stops them in order and is no failure; the data stay."""
    command = [DATCHAT, "up", "--dir", tmp_path / "c", "--port", "0", "--network", "loopback", *LIGHT]
    attending = subprocess.Popen(
        command,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Whoever runs the tests in the background of a shell makes them deaf to it, and what they start as well.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert attending.stdout is not None
    with attending.stdout as lines:
        said = []
        for line in lines:
            said.append(line)
            if line.startswith("Dat Chat runs at"):
                os.killpg(attending.pid, signal.SIGINT)
    assert attending.wait(10) == 0

    text = "".join(said)
    assert "redismaster    | boot guard: starting as master\n" in text
    assert "haproxy        | Server web/web0 is UP" in text
    assert "stopping the parts in order; Ctrl-C again ends them at once\n" in text
    ends = [line.split()[0] for line in said if " ended with " in line]
    assert [*ends[:2], *sorted(ends[2:5]), *ends[5:]] == ["web0", "haproxy", *SENTINELS, "redisslave", "redismaster"]
    assert (tmp_path / "c" / "redismaster" / "data" / "appendonlydir").is_dir()


def test_the_end_of_a_terminal(tmp_path: Path) -> None:
    """When whoever holds a cluster in the foreground is killed with -9, it stops in order."""
    command = [DATCHAT, "up", "--dir", tmp_path / "c", "--port", "0", "--network", "loopback", *LIGHT]
    attending = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True)
    assert attending.stdout is not None
    with attending.stdout as lines:
        assert any(line.startswith("Dat Chat runs at") for line in lines)
        cluster = Cluster(tmp_path / "c")
        parts, supervisor = cluster.ps(), cluster.supervisor()
        attending.kill()
        attending.wait()
    eventually_now(lambda: not lives(supervisor), 20)

    assert not [name for name, part in parts.items() if lives(part["pid"])]
    assert "-- web0 ended with code 0" in cluster.log("web0")
    cluster.do("down")


def test_a_port_that_is_in_use(tmp_path: Path) -> None:
    """One sentence before anything is started, and no directory is left."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = datchat("up", "--detach", "--dir", tmp_path / "c", "--port", str(port))

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"datchat: port {port} on 127.0.0.1 is in use: stop what listens there or choose another with --port\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_an_address_of_others(tmp_path: Path) -> None:
    """One sentence with the option that helps."""
    done = datchat("up", "--detach", "--dir", tmp_path / "c", "--host", "192.0.2.254", "--port", "0")
    assert done.returncode == 2
    assert done.stderr.startswith("datchat: can't listen on 192.0.2.254: ")
    assert "choose another address with --host" in done.stderr


def test_another_program_for_the_nodes(tmp_path: Path) -> None:
    """It stands behind the load balancer, is told where it is, and starts again as the same program."""
    command = shlex.join([sys.executable, "-c", ECHO])
    with Cluster(tmp_path / "c", "--network", "loopback", *LIGHT, "--web-command", command) as cluster:
        told = httpx.get(f"{cluster.url}/", trust_env=False).json()
        assert (told["DATCHAT_NAME"], told["DATCHAT_STORE"]) == ("web0", "memory://")
        cluster.do("kill", "web0")
        assert cluster.do("start", "web0") == "web0 started\n"


ECHO = """
import http.server, json, os
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(dict(os.environ)).encode())
address = os.environ["DATCHAT_HOST"], int(os.environ["DATCHAT_PORT"])
http.server.ThreadingHTTPServer(address, Page).serve_forever()
"""
"""A web server that tells its environment, ready or not."""


def test_programs_that_are_missing(tmp_path: Path) -> None:
    """One sentence with the packages to install."""
    done = datchat("up", "--detach", "--dir", tmp_path / "c", "--port", "0", PATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("datchat: redis-server and redis-cli are missing: apt-get install redis-server")


def test_a_node_that_does_not_start(tmp_path: Path) -> None:
    """What it said last is the sentence; nothing of the cluster runs on, and the logs can be read."""
    options = ("--port", "0", "--network", "loopback", "--web", "1", "--web-store", "carrier-pigeon://")
    done = datchat("up", "--detach", "--dir", tmp_path / "c", *options, timeout_s=60)

    assert done.returncode == 2
    assert done.stderr.startswith("datchat: web0 ended at its start: datchat: carrier-pigeon://")
    assert len(done.stderr.splitlines()) == 1
    assert "redismaster | " in Cluster(tmp_path / "c").do("logs", "redismaster")
    Cluster(tmp_path / "c").do("down")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_of_others(tmp_path: Path) -> None:
    """Nothing is put where other things lie, and nothing there is taken down."""
    (tmp_path / "thesis.tex").touch()
    done = datchat("up", "--detach", "--dir", tmp_path, "--port", "0")

    assert (done.returncode, done.stderr) == (
        2,
        f"datchat: {tmp_path} holds other things, as thesis.tex: choose another with --dir\n",
    )
    assert datchat("down", "--dir", tmp_path).stdout == f"there is no cluster in {tmp_path}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_logs_of_nothing(tmp_path: Path) -> None:
    """Where no cluster ever ran there are no logs, and the sentence says how to begin."""
    done = datchat("logs", "--dir", tmp_path)
    assert (done.returncode, "start one with `datchat up --dir" in done.stderr) == (2, True)


def test_ps_as_json_is_json(tmp_path: Path) -> None:
    """Scripts get a list, even of a cluster whose parts are stopped."""
    with Cluster(tmp_path / "c", "--network", "loopback", *LIGHT) as cluster:
        cluster.do("stop", "web0")
        parts = json.loads(datchat("ps", "--json", "--dir", cluster.directory).stdout)
        assert [part["state"] for part in parts if part["name"] == "web0"] == ["stopped"]
