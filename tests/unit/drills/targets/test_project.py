"""What a project's containers are taken for."""

from __future__ import annotations

from pathlib import Path

import pytest

from datchat.drills.targets import project
from datchat.drills.targets.project import Piece, kind_of, pieces, projects
from unit.drills.targets.fake_engine import FakeEngine

REDIS = ["redismaster", "redisslave", "redisslave2"]
SENTINELS = ["redissentinel", "redissentinel2", "redissentinel3"]
NODES = ["web0", "web1", "web2"]


def listed(fake: FakeEngine) -> list[dict[str, object]]:
    return fake._listed([])


def test_the_originals_services() -> None:
    """Each is a part of its kind, under its name."""
    fake = FakeEngine()
    for service in [*REDIS, *SENTINELS, *NODES, "haproxy", "prometheus"]:
        fake.service(service)

    found = {piece.name: piece.kind for piece in pieces(listed(fake))}

    assert found == {
        **dict.fromkeys(REDIS, "redis"),
        **dict.fromkeys(SENTINELS, "sentinel"),
        **dict.fromkeys(NODES, "web"),
        "haproxy": "haproxy",
    }


def test_a_service_of_several() -> None:
    """Its parts have numbers; a container that somebody ran beside it (`docker-compose run`) is none."""
    fake = FakeEngine()
    for number in (1, 2):
        fake.service("web", number=number)
    fake.service("web", number=3)["Labels"]["com.docker.compose.oneoff"] = "True"

    assert [piece.name for piece in pieces(listed(fake))] == ["web-1", "web-2"]


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ("running", "running"),
        ("paused", "paused"),
        ("exited", "stopped"),
        ("created", "stopped"),
        ("restarting", "failed"),
        ("dead", "failed"),
    ],
)
def test_states(state: str, shown: str) -> None:
    """In the words of drills."""
    fake = FakeEngine()
    fake.service("web0")["State"]["Status"] = state
    (piece,) = pieces(listed(fake))
    assert piece == Piece("web0", "web", "web0", next(iter(fake.containers)), shown, ("127.9.0.2",))


@pytest.mark.parametrize(
    ("service", "kind"),
    [
        ("sentinel", "sentinel"),
        ("redis-sentinel", "sentinel"),
        ("redis", "redis"),
        ("redisinsight", None),
        ("website", None),
        ("", None),
    ],
)
def test_kinds_by_name(service: str, kind: str | None) -> None:
    """Also names near the original's; others are none of ours."""
    assert kind_of(service) == kind


def test_projects_by_what_they_have() -> None:
    """Every Compose project of the engine, also those that are something else."""
    fake = FakeEngine()
    fake.service("web0")
    fake.service("redismaster")
    fake.service("postgres", project="shop")
    assert projects(listed(fake)) == {"chat": {"web", "redis"}, "shop": set()}


@pytest.mark.parametrize(
    ("bindings", "port"),
    [
        ({"8081/tcp": [{"HostIp": "", "HostPort": "9000"}]}, 9000),
        ({"8081/tcp": [{"HostIp": "", "HostPort": "0"}]}, None),
        ({"8081/tcp": [{"HostIp": "", "HostPort": ""}], "8404/tcp": [{"HostPort": "8404"}]}, 8404),
        ({"8081/tcp": None}, None),
        (None, None),
    ],
    ids=["fixed", "zero", "the fixed one", "none", "nothing"],
)
def test_a_published_port(bindings: object, port: int | None) -> None:
    """One that the engine would choose anew at each start is no place to stay."""
    assert project.published({"HostConfig": {"PortBindings": bindings}}) == port


@pytest.mark.parametrize(
    ("kind", "exposed", "port"),
    [
        ("web", {"8080/tcp": {}}, 8080),
        ("web", {"9000/tcp": {}, "8000/tcp": {}, "53/udp": {}}, 8000),
        ("web", None, 8080),
        ("haproxy", {}, 8081),
        ("sentinel", {"6379/tcp": {}}, 26379),
    ],
    ids=str,
)
def test_ports(kind: str, exposed: object, port: int) -> None:
    """As the container says it, and as it usually is; the sentinels' image says its servers'."""
    assert project.listens_on(kind, {"Config": {"ExposedPorts": exposed}}) == port


def proc(tmp_path: Path, container: str) -> Path:
    """A ``/proc`` with an init process, its child, and a stranger."""
    for pid, children, count in ((10, "11", 3), (11, "", 40), (12, "", 500)):
        (tmp_path / str(pid) / "task" / str(pid)).mkdir(parents=True)
        (tmp_path / str(pid) / "task" / str(pid) / "children").write_text(children)
        (tmp_path / str(pid) / "cgroup").write_text(f"4:memory:/docker/{container}\n")
        (tmp_path / str(pid) / "fd").mkdir()
        for number in range(count):
            (tmp_path / str(pid) / "fd" / str(number)).touch()
    return tmp_path


def test_descriptors_of_a_container(tmp_path: Path) -> None:
    """Those of its first process and of what that has started."""
    inspected = {"Id": "abc", "State": {"Pid": 10}}
    assert project.descriptors(inspected, proc(tmp_path, "abc")) == 43


@pytest.mark.parametrize(("pid", "owner"), [(10, "another"), (99, "abc")], ids=["not its process", "no process"])
def test_descriptors_that_can_not_be_seen(pid: int, owner: str, tmp_path: Path) -> None:
    """A process of that number on another machine is somebody else's."""
    assert project.descriptors({"Id": "abc", "State": {"Pid": pid}}, proc(tmp_path, owner)) is None


def test_memory_by_either_version_of_control_groups() -> None:
    """What processes hold; nothing known is nothing."""
    assert project.memory({"memory_stats": {"usage": 9, "stats": {"total_rss": 5, "total_cache": 4}}}) == 5
    assert project.memory({"memory_stats": {"usage": 9, "stats": {"anon": 6, "file": 3}}}) == 6
    assert project.memory({"memory_stats": {}}) == 0
