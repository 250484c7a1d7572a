"""Configuration files: what the programs themselves make of them, and what stands in them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from datchat.cluster.files import deployed, haproxy_cfg, last_master, redis_conf, sentinel_conf, write_files
from datchat.cluster.parts import Plan
from datchat.cluster.recipes import search_path


def directives(text: str) -> list[str]:
    """The lines of a configuration without comments."""
    return [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]


def test_haproxy_takes_its_file(tmp_path: Path, plan: Plan) -> None:
    """HAProxy itself finds the configuration valid, without a warning."""
    haproxy = shutil.which("haproxy", path=search_path())
    if haproxy is None and not os.environ.get("CI"):
        pytest.skip("haproxy is missing")
    assert haproxy is not None
    (tmp_path / "haproxy.cfg").write_text(haproxy_cfg(plan))
    done = subprocess.run(
        [haproxy, "-c", "-f", tmp_path / "haproxy.cfg"],
        env={"DATCHAT_BIND": "127.0.0.1:8081", "DATCHAT_ADMIN": "unix@admin.sock"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_haproxy_leads_to_every_node(plan: Plan) -> None:
    """Each node is in both backends, with the same name."""
    servers = [line for line in directives(haproxy_cfg(plan)) if line.startswith("server ")]

    expected = [f"server web{number} 10.213.7.{16 + number}:8080" for number in range(3)]
    assert servers == expected * 2


@pytest.mark.parametrize(
    "line",
    [
        "appendonly yes",
        "appendfsync always",
        "maxmemory-policy noeviction",
        "repl-backlog-size 64mb",
        "repl-diskless-sync-delay 0",
        "client-output-buffer-limit pubsub 64mb 16mb 60",
        "min-replicas-to-write 0",
        "bind 10.213.7.10 127.0.0.1",
        "port 6379",
    ],
)
def test_redis_keeps_what_is_promised(plan: Plan, line: str) -> None:
    """Every setting that the promise rests on stands in a server's configuration."""
    assert line in directives(redis_conf(plan.part("redismaster")))


def test_a_sentinel_knows_everybody_from_the_start(plan: Plan) -> None:
    """The master, both replicas and both other sentinels, whose ids are those that they have."""
    ids = {"redissentinel": "a" * 40, "redissentinel2": "b" * 40, "redissentinel3": "c" * 40}
    lines = directives(sentinel_conf(plan.part("redissentinel2"), plan, ids))

    assert "sentinel monitor mymaster 10.213.7.10 6379 2" in lines
    assert "sentinel down-after-milliseconds mymaster 1500" in lines
    assert "sentinel failover-timeout mymaster 5000" in lines
    assert "sentinel parallel-syncs mymaster 2" in lines
    assert f"sentinel myid {'b' * 40}" in lines
    assert [line for line in lines if " known-" in line] == [
        "sentinel known-replica mymaster 10.213.7.11 6379",
        "sentinel known-replica mymaster 10.213.7.12 6379",
        f"sentinel known-sentinel mymaster 10.213.7.13 26379 {'a' * 40}",
        f"sentinel known-sentinel mymaster 10.213.7.15 26379 {'c' * 40}",
    ]


def test_files_are_for_their_owner_alone(tmp_path: Path, plan: Plan) -> None:
    """The secret, the parts' directories and their logs can be read by nobody else."""
    write_files(tmp_path, plan)

    private = [tmp_path / "secret", tmp_path / "web0" / "log", tmp_path / "redismaster"]
    assert [path.stat().st_mode & 0o077 for path in private] == [0, 0, 0]


def test_files_are_written_anew_and_data_stay(tmp_path: Path, plan: Plan) -> None:
    """The next cluster in a directory goes on with the data, the secret and the logs, not with old addresses."""
    write_files(tmp_path, plan)
    secret = (tmp_path / "secret").read_text()
    (tmp_path / "redismaster" / "data" / "kept").touch()
    (tmp_path / "redismaster" / "redis.conf").write_text("port 1\n")
    (tmp_path / "web0" / "log").write_text("said\n")
    write_files(tmp_path, plan)

    assert (tmp_path / "secret").read_text() == secret
    assert (tmp_path / "redismaster" / "data" / "kept").exists()
    assert (tmp_path / "web0" / "log").read_text() == "said\n"
    assert "port 6379" in directives((tmp_path / "redismaster" / "redis.conf").read_text())


def test_the_last_master_is_the_newest_failovers(tmp_path: Path, plan: Plan) -> None:
    """Of sentinels that name different masters, the one with the newest configuration is right."""
    write_files(tmp_path, plan)
    assert last_master(tmp_path, plan) == "redismaster"
    for name, host, epoch in (("redissentinel", 12, 3), ("redissentinel2", 11, 2)):
        path = tmp_path / name / "sentinel.conf"
        moved = re.sub(r"monitor mymaster \S+", f"monitor mymaster 10.213.7.{host}", path.read_text())
        path.write_text(f"{moved}sentinel config-epoch mymaster {epoch}\n")

    assert last_master(tmp_path, plan) == "redisslave2"


def test_without_sentinels_nobody_was_master(tmp_path: Path, plan: Plan) -> None:
    """A directory without a sentinel's file says nothing."""
    assert last_master(tmp_path, plan) is None


@pytest.mark.parametrize("name", ["redis/redis.conf", "redis/sentinel.conf", "redis/boot-guard", "haproxy/haproxy.cfg"])
def test_every_file_of_deploy_is_found(name: str) -> None:
    """What the package needs of deploy/ is where it looks."""
    assert deployed(name).is_file()
