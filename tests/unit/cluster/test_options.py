"""The command line's options for a cluster."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec
import pytest

from datchat.cli import build_parser
from datchat.cluster.parts import Kind, Plan
from datchat.cluster.recipes import recipe_for, require_binaries, stop_limit_s
from datchat.errors import ConfigurationError


def parse(*arguments: str) -> argparse.Namespace:
    return build_parser().parse_args(arguments)


def test_defaults_are_those_of_the_contract() -> None:
    """Three nodes, two replicas, port 8081, ./datchat-cluster, in the foreground."""
    options = parse("up")

    assert (options.dir, options.host, options.port) == ("./datchat-cluster", "127.0.0.1", 8081)
    assert (options.web, options.replicas, options.network) == (3, 2, "auto")
    assert (options.detach, options.restart, options.web_store, options.web_command) == (False, False, None, None)
    assert options.store_options == ""


@pytest.mark.parametrize(
    ("variable", "value", "field", "meant"),
    [
        ("DATCHAT_DIR", "/var/c", "dir", "/var/c"),
        ("DATCHAT_HOST", "0.0.0.0", "host", "0.0.0.0"),
        ("DATCHAT_PORT", "9000", "port", 9000),
        ("DATCHAT_WEB", "5", "web", 5),
        ("DATCHAT_REPLICAS", "1", "replicas", 1),
        ("DATCHAT_NETWORK", "loopback", "network", "loopback"),
        ("DATCHAT_WEB_STORE", "memory://", "web_store", "memory://"),
        ("DATCHAT_STORE_OPTIONS", "failover=hasten", "store_options", "failover=hasten"),
        ("DATCHAT_WEB_COMMAND", "chat --name 'my chat'", "web_command", ("chat", "--name", "my chat")),
        ("DATCHAT_RESTART", "1", "restart", True),
    ],
)
def test_every_option_is_a_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, field: str, meant: object
) -> None:
    """The variable counts where the flag is not given; the flag wins."""
    monkeypatch.setenv(variable, value)
    assert getattr(parse("up"), field) == meant
    if isinstance(meant, bool):
        return
    other = "namespaces" if field == "network" else "7"
    given = getattr(parse("up", f"--{field.replace('_', '-')}", other), field)
    assert given == (other,) if field == "web_command" else str(given) == other


@pytest.mark.parametrize(
    "arguments",
    [
        ["--web", "0"],
        ["--web", "many"],
        ["--replicas", "0"],
        ["--port", "70000"],
        ["--network", "carrier-pigeon"],
        ["--web-command", "chat 'of two"],
        ["--web-command", " "],
    ],
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A value that can't be is told with its flag, with exit code 64."""
    with pytest.raises(SystemExit) as ended:
        parse("up", *arguments)
    assert ended.value.code == 64
    assert arguments[0] in capsys.readouterr().err


@pytest.mark.parametrize("act", ["stop", "start", "kill", "pause", "unpause", "restart", "partition"])
def test_acts_need_names(act: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody stops everything by forgetting to say what."""
    with pytest.raises(SystemExit) as ended:
        parse(act)
    assert ended.value.code == 64
    assert parse(act, "web0", "web1").names == ["web0", "web1"]
    capsys.readouterr()


def test_programs_that_are_missing_are_named(tmp_path: Path) -> None:
    """One sentence with what to install; one that is there is not named."""
    with pytest.raises(ConfigurationError) as missing:
        require_binaries(str(tmp_path))
    assert str(missing.value) == (
        "redis-server and redis-cli and haproxy are missing: apt-get install redis-server redis-tools haproxy"
    )
    for name in ("redis-server", "redis-cli"):
        (tmp_path / name).touch(mode=0o755)
    with pytest.raises(ConfigurationError, match=r"^haproxy is missing: apt-get install haproxy$"):
        require_binaries(str(tmp_path))
    (tmp_path / "haproxy").touch(mode=0o755)
    require_binaries(str(tmp_path))


def test_a_first_start_asks_nobody(tmp_path: Path, plan: Plan) -> None:
    """With nothing running a server is told what it is; later it asks the sentinels."""
    guard = ["/bin/sh", str(tmp_path / "boot-guard"), "redis.conf"]

    assert recipe_for(plan.part("redismaster"), plan, tmp_path, True, None).command == [*guard, "master"]
    assert recipe_for(plan.part("redisslave"), plan, tmp_path, True, None).command == [
        *guard,
        "replica",
        "10.213.7.10",
        "6379",
    ]
    later = recipe_for(plan.part("redismaster"), plan, tmp_path, False, None)
    assert later.command == guard
    assert later.environment["REDIS_SELF"] == "10.213.7.10 6379"
    assert later.environment["SENTINELS"] == "10.213.7.13:26379 10.213.7.14:26379 10.213.7.15:26379"


def test_a_nodes_settings(tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node trusts the load balancer alone, shares the secret with the others and keeps it off its command line."""
    monkeypatch.delenv("DATCHAT_SECRET", raising=False)
    monkeypatch.setenv("DATCHAT_POST_RATE", "0")
    (tmp_path / "secret").write_text("s" * 64)
    recipe = recipe_for(plan.part("web1"), plan, tmp_path, True, None)

    told = dict(zip(recipe.command[4::2], recipe.command[5::2], strict=True))
    assert told == {
        "--host": "10.213.7.17",
        "--port": "8080",
        "--name": "web1",
        "--store": plan.store,
        "--trusted-proxies": "10.213.7.19",
        "--ready-s": "0.2",
    }
    assert recipe.environment["DATCHAT_SECRET"] == "s" * 64
    assert recipe.environment["DATCHAT_POST_RATE"] == "0"


def test_another_program_for_the_nodes(tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told by variables what ours is told by flags, whatever those variables were before."""
    monkeypatch.delenv("DATCHAT_SECRET", raising=False)
    monkeypatch.setenv("DATCHAT_NAME", "elsewhere")
    (tmp_path / "secret").write_text("s" * 64)
    other = msgspec.structs.replace(plan, web_command=("chat", "--loud"))
    recipe = recipe_for(other.part("web1"), other, tmp_path, True, None)

    assert recipe.command == ("chat", "--loud")
    told = {name: value for name, value in recipe.environment.items() if name in TOLD}
    assert told == dict(zip(TOLD, ("10.213.7.17", "8080", "web1", plan.store, "10.213.7.19", "s" * 64), strict=True))


TOLD = (
    "DATCHAT_HOST",
    "DATCHAT_PORT",
    "DATCHAT_NAME",
    "DATCHAT_STORE",
    "DATCHAT_TRUSTED_PROXIES",
    "DATCHAT_SECRET",
)


def test_a_node_that_drains_is_not_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever lets nodes drain for longer waits longer for them, and not for the others."""
    monkeypatch.delenv("DATCHAT_DRAIN_S", raising=False)
    assert (stop_limit_s(Kind.WEB), stop_limit_s(Kind.REDIS)) == (12, 12)
    monkeypatch.setenv("DATCHAT_DRAIN_S", "30.5")
    assert (stop_limit_s(Kind.WEB), stop_limit_s(Kind.REDIS)) == (42.5, 12)
