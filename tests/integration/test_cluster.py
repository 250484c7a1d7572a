"""A whole cluster, broken on purpose: what each command does to its parts, and what becomes of the chat."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from support.clusters import PARTS, REDIS, SENTINELS, WEB, Cluster, needs_root, needs_servers
from support.eventually import eventually_now
from support.people import fresh
from support.process import DATCHAT, environment

pytestmark = [needs_servers, needs_root]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster") / "c", "--network", "namespaces", DATCHAT_POST_RATE="0") as running:
        yield running


@pytest.fixture
def cluster(running: Cluster) -> Iterator[Cluster]:
    """The module's cluster, whole before a test and mended after it."""
    yield running
    running.mend()


def get(url: str) -> tuple[int, str]:
    """The status and the body of an answer; 0 when there was none."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def call(url: str, body: object, token: str = "") -> dict[str, object]:
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=15) as answer:
        found: dict[str, object] = json.load(answer)
        return found


class Writer:
    """Somebody who posts to the lobby through the load balancer, and asks again until it is stored."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/api/v1"
        name = fresh("writer")
        person = {"email": f"{name}@example.org", "password": "correct horse", "name": name}
        call(f"{self._url}/accounts", person)
        self._token = str(call(f"{self._url}/sessions", person)["token"])

    def post(self, text: str) -> int:
        """Post; returns the offset."""
        nonce = fresh("nonce")

        def stored() -> int:
            try:
                body = {"nonce": nonce, "text": text, "age_ms": 1}
                answer = call(f"{self._url}/rooms/lobby/entries", body, self._token)
            except OSError:
                return 0
            return int(str(answer["offset"]))

        return eventually_now(stored, 30)

    def texts(self, after: int) -> list[str]:
        """What stands in the lobby beyond an offset."""
        request = urllib.request.Request(
            f"{self._url}/rooms/lobby/messages", headers={"Authorization": f"Bearer {self._token}"}
        )
        with urllib.request.urlopen(request, timeout=15) as answer:
            return [message["text"] for message in json.load(answer)["messages"] if message["offset"] > after]


def test_ps_lists_what_is_there(cluster: Cluster) -> None:
    """Every part in order, with exactly the fields of the contract; a process each; the balancer on this machine."""
    parts = cluster.ps()

    assert tuple(parts) == PARTS
    assert {tuple(part) for part in parts.values()} == {("name", "kind", "state", "pid", "host", "port", "role")}
    kinds = [parts[name]["kind"] for name in ("redismaster", "redissentinel", "web0", "haproxy")]
    assert kinds == ["redis", "sentinel", "web", "haproxy"]
    assert {parts[name]["role"] for name in PARTS if name not in REDIS} == {None}
    assert len({part["pid"] for part in parts.values()}) == len(PARTS)
    assert len({part["host"] for part in parts.values()}) == len(PARTS)
    assert cluster.url == f"http://{parts['haproxy']['host']}:{parts['haproxy']['port']}"


def test_the_table_is_for_people(cluster: Cluster) -> None:
    """Without --json: a line each, with the address."""
    lines = cluster.do("ps").splitlines()
    assert lines[0].split() == ["NAME", "STATE", "ROLE", "PID", "ADDRESS"]
    assert len(lines) == 1 + len(PARTS)
    assert lines[1].startswith("redismaster ")


def test_the_balancer_says_what_it_does(cluster: Cluster) -> None:
    """The chat, statistics and metrics on one port; the log has the line that people look for."""
    assert get(f"{cluster.url}/auth/sign_in")[0] == 200
    assert "Statistics Report" in get(f"{cluster.url}/haproxy?stats")[1]
    assert "haproxy_server_status" in get(f"{cluster.url}/haproxy/metrics")[1]
    said = cluster.do("logs", "haproxy")
    for name in WEB:
        assert f"haproxy | Server web/{name} is UP" in said


def test_logs_are_cut_and_named(cluster: Cluster) -> None:
    """The last lines of the parts that are named, each behind its name."""
    lines = cluster.do("logs", "redismaster", "web0", "--tail", "2").splitlines()
    assert [line.partition("|")[0] for line in lines] == ["redismaster "] * 2 + ["web0        "] * 2


def test_wrong_names_are_told(cluster: Cluster) -> None:
    """A name that isn't a part's: a sentence, and nothing is done to the others."""
    assert "there is no part 'web9'" in cluster.do("kill", "web0", "web9", code=2)
    assert "there is no part 'web9'" in cluster.do("logs", "web9", code=2)
    assert cluster.states()["web0"] == "running"


def test_a_stopped_master_comes_back_as_a_replica(cluster: Cluster) -> None:
    """The original's walk: stop the master, a replica takes over, the chat goes on, the old one follows."""
    writer = Writer(cluster.url)
    old = cluster.master()
    first = writer.post("before")
    assert cluster.do("stop", old) == f"{old} stopped\n"
    assert cluster.states()[old] == "stopped"
    second = writer.post("meanwhile")
    new = eventually_now(cluster.master, 15)
    assert new != old
    assert cluster.do("start", old) == f"{old} started\n"
    third = writer.post("after")

    assert cluster.roles()[old] == "replica"
    assert "boot guard: starting as a replica of " in cluster.log(old).rpartition(f"-- {old} ended")[2]
    assert (second, third) == (first + 1, first + 2)
    assert writer.texts(after=first - 1) == ["before", "meanwhile", "after"]


def test_a_master_that_is_restarted_at_once_waits(cluster: Cluster) -> None:
    """Killed and started within the time of detection it waits for the sentinels to see it."""
    old = cluster.master()
    cluster.do("kill", old)
    cluster.do("start", old)
    last = cluster.log(old).rpartition(f"-- {old} ended")[2]

    assert "the sentinels take this server for the master: waiting 5 s for a failover" in last
    assert "starting as a replica of " in last
    assert "starting as master" not in last
    assert cluster.roles()[old] == "replica"


def test_all_servers_killed_and_started(cluster: Cluster) -> None:
    """What was acknowledged is there after all of Redis was killed with -9; one of them is master again."""
    writer = Writer(cluster.url)
    last = writer.post("kept")
    before = len(cluster.log("haproxy"))
    cluster.do("kill", *REDIS)
    # Every node says that its store is away: HAProxy leads to one that lives, which can show pages.
    eventually_now(lambda: "backend web has no server available!" in cluster.log("haproxy")[before:], 15)
    assert get(f"{cluster.url}/auth/sign_in")[0] == 200
    cluster.do("start", *REDIS)
    eventually_now(cluster.settled, 30)

    assert writer.post("goes on") == last + 1
    assert writer.texts(after=last - 1) == ["kept", "goes on"]


def test_no_server_starts_on_its_own_word(cluster: Cluster) -> None:
    """Without a majority of the sentinels a server waits, whatever it was; with one it goes on."""
    cluster.do("kill", *SENTINELS[:2])
    replica = next(name for name, role in cluster.roles().items() if role == "replica")
    cluster.do("kill", replica)
    starting = subprocess.Popen([DATCHAT, "start", "--dir", cluster.directory, replica], stdout=subprocess.DEVNULL)
    waits = "no majority of the sentinels names a master: waiting"
    eventually_now(lambda: waits in cluster.log(replica), 10)
    assert cluster.roles()[replica] is None
    cluster.do("start", SENTINELS[0])

    assert starting.wait(20) == 0
    assert cluster.roles()[replica] == "replica"


def test_pausing(cluster: Cluster) -> None:
    """A node that hangs is taken out of turn in two seconds, and is back when it goes on; a server has no role."""
    before = len(cluster.log("haproxy"))
    cluster.do("pause", "web1", "redisslave2")
    assert "-- web1 paused" in cluster.log("web1")
    parts = cluster.ps()
    assert (parts["web1"]["state"], parts["redisslave2"]["state"]) == ("paused", "paused")
    assert parts["redisslave2"]["role"] is None
    eventually_now(lambda: "Server web/web1 is DOWN" in cluster.log("haproxy")[before:])
    assert cluster.do("unpause", "web1", "redisslave2").splitlines() == ["web1 goes on", "redisslave2 goes on"]
    assert cluster.states()["web1"] == "running"
    eventually_now(lambda: "Server web/web1 is UP" in cluster.log("haproxy")[before:])


def test_a_paused_part_can_be_stopped(cluster: Cluster) -> None:
    """Stopping wakes it, so that it hears what it is told, and it ends in order."""
    cluster.do("pause", "web2")
    assert cluster.do("stop", "web2") == "web2 stopped\n"
    assert "-- web2 ended with code 0" in cluster.log("web2")
    assert cluster.do("stop", "web2") == "web2 is stopped already\n"
    assert "web2 does not run: start it first" in cluster.do("pause", "web2", code=2)
    assert cluster.do("start", "web2") == "web2 started\n"
    assert cluster.do("start", "web2") == "web2 runs already\n"


def test_killed_and_crashed_are_told_apart(cluster: Cluster) -> None:
    """`kill` leaves a part stopped; one that ended without being told has failed. Neither comes back by itself."""
    crashed = cluster.ps()["web0"]["pid"]
    cluster.do("kill", "web1")
    os.kill(crashed, signal.SIGKILL)
    eventually_now(lambda: cluster.states()["web0"] == "failed")
    parts = cluster.ps()

    assert (parts["web1"]["state"], parts["web1"]["pid"], parts["web0"]["pid"]) == ("stopped", None, None)
    assert "-- web0 ended with signal 9 (SIGKILL)" in cluster.log("web0")
    eventually_now(lambda: get(f"{cluster.url}/auth/sign_in")[0] == 200)


def test_restarting(cluster: Cluster) -> None:
    """A restarted node is another process of the same name."""
    before = cluster.ps()["web0"]
    assert cluster.do("restart", "web0").splitlines() == ["web0 stopped", "web0 started"]
    after = cluster.ps()["web0"]
    assert after["pid"] != before["pid"]
    assert {**after, "pid": 0} == {**before, "pid": 0}


def test_the_balancer_comes_back_on_its_port(cluster: Cluster) -> None:
    """While it is down connections are refused, rather than left waiting; afterwards the address is the same."""
    cluster.do("kill", "haproxy")
    assert "refused" in get(cluster.url)[1]
    cluster.do("start", "haproxy")
    assert get(f"{cluster.url}/auth/sign_in")[0] == 200


def test_a_master_that_is_cut_off(cluster: Cluster) -> None:
    """Cut off with a sentinel it stays master among those, while the others choose one of their own; healed, one is."""
    writer = Writer(cluster.url)
    first = writer.post("together")
    old = cluster.master()
    said = cluster.do("partition", old, "redissentinel")
    assert said == f"{old}, redissentinel: cut off from the rest\n"
    assert f"cut off from the rest: {old}, redissentinel" in cluster.do("ps")
    assert writer.post("apart") == first + 1
    roles = cluster.roles()
    assert sorted(map(str, roles.values())) == ["master", "master", "replica"]
    assert roles[old] == "master"

    assert cluster.do("heal") == f"{old}, redissentinel: back together\n"
    assert "cut off" not in cluster.do("ps")
    eventually_now(cluster.settled, 30)
    assert cluster.roles()[old] == "replica"
    assert cluster.do("heal") == "nothing is cut off\n"


def test_the_port_is_reachable_while_the_balancer_is_cut_off(cluster: Cluster) -> None:
    """People still reach HAProxy, and HAProxy no node: it says so itself, instead of letting them wait."""
    cluster.do("partition", "haproxy")
    eventually_now(lambda: get(f"{cluster.url}/auth/sign_in")[0] == 503, 15)
    cluster.do("heal")
    eventually_now(lambda: get(f"{cluster.url}/auth/sign_in")[0] == 200, 15)


def test_a_partition_needs_two_sides(cluster: Cluster) -> None:
    """Cutting everybody off from nobody is refused."""
    assert "no part would be left on the other side" in cluster.do("partition", *PARTS, code=2)


def test_following_logs(cluster: Cluster) -> None:
    """What happens while one looks is shown as it happens, faults too; Ctrl-C ends it."""
    following = subprocess.Popen(
        [DATCHAT, "logs", "--dir", cluster.directory, "-f", "--tail", "1", "web0"],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
        # Whoever runs the tests in the background of a shell makes them deaf to it, and what they start as well.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert following.stdout is not None
    with following.stdout:
        try:
            assert following.stdout.readline().startswith("web0 | ")
            cluster.do("pause", "web0")
            cluster.do("unpause", "web0")
            assert any(line.startswith("web0 | -- web0 paused, 20") for line in following.stdout)
            assert any(line.startswith("web0 | -- web0 goes on, 20") for line in following.stdout)
            following.send_signal(signal.SIGINT)
            assert following.wait(5) == 130
        finally:
            following.kill()
            following.wait()


def test_a_second_cluster_in_the_directory_is_refused(cluster: Cluster) -> None:
    """One sentence with the command that helps, and the first one runs on."""
    assert "already runs a cluster: take it down with" in cluster.do("up", "--detach", "--port", "0", code=2)
    assert set(cluster.states().values()) == {"running"}
