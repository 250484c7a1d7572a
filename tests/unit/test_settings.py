"""Settings: where they come from, what is refused and how it is said, and that none of them is ignored."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from datchat import settings
from datchat.errors import ConfigurationError, WrongUsage
from datchat.settings import PREFIX, Settings, listing, load, markdown, own_addresses

ROOT = Path(__file__).parents[2]


def test_defaults() -> None:
    """Without flags and variables the settings are the defaults of the class."""
    assert load({}, {}) == Settings()


def test_a_variable_is_read() -> None:
    """A DATCHAT_ variable sets its field; an empty one counts as unset, others are none of ours."""
    assert load({}, {"DATCHAT_PORT": "9000"}).port == 9000
    assert load({}, {"DATCHAT_PORT": "", "PORT": "1", "DATCHAT_NOTHING": "1"}).port == Settings().port


def test_a_flag_wins() -> None:
    """The command line wins over the environment, and a flag that was not given doesn't."""
    environment = {"DATCHAT_PORT": "9000", "DATCHAT_NAME": "web3"}

    chosen = load({"port": "9001", "name": None}, environment)

    assert (chosen.port, chosen.name) == (9001, "web3")


@pytest.mark.parametrize(
    ("flags", "environment", "source"),
    [
        ({"port": "http"}, {}, "--port 'http'"),
        ({"port": "65536"}, {}, "--port '65536'"),
        ({}, {"DATCHAT_PORT": "-1"}, "DATCHAT_PORT '-1'"),
        ({"name": "web 0"}, {}, "--name 'web 0'"),
        ({"log_format": "xml"}, {}, "--log-format 'xml'"),
        ({"log_level": "loud"}, {}, "--log-level 'loud'"),
        ({"ping_s": "0"}, {}, "--ping-s '0'"),
        ({"ping_s": "nan"}, {}, "--ping-s 'nan'"),
        ({"ping_s": "inf"}, {}, "--ping-s 'inf'"),
        ({"post_rate": "-1"}, {}, "--post-rate '-1'"),
        ({}, {"DATCHAT_CONNECTIONS": "many"}, "DATCHAT_CONNECTIONS 'many'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_value_is_one_sentence_that_names_its_source(
    flags: dict[str, Any], environment: dict[str, str], source: str
) -> None:
    """What is wrong is said in one line with the flag or the variable that it came from, and the value."""
    with pytest.raises(ConfigurationError) as caught:
        load(flags, environment)

    message = str(caught.value)
    assert isinstance(caught.value, WrongUsage) == bool(flags)
    assert message.startswith(f"{source}: ")
    assert "\n" not in message


def test_a_secret_is_never_shown() -> None:
    """Neither the refusal of a short secret nor the settings' own text holds it."""
    with pytest.raises(ConfigurationError) as caught:
        load({}, {"DATCHAT_SECRET": "hunter2"})

    assert "hunter2" not in str(caught.value)
    assert "DATCHAT_SECRET" in str(caught.value)
    assert "x" * 32 not in repr(load({"secret": "x" * 32}, {}))


def test_a_secret_may_lie_in_a_file(tmp_path: Path) -> None:
    """A variable with _FILE names a file that holds it, without the end of its line; the variable itself wins."""
    (tmp_path / "secret").write_text("x" * 32 + "\n")
    environment = {"DATCHAT_SECRET_FILE": str(tmp_path / "secret"), "DATCHAT_STORE_PASSWORD_FILE": ""}

    chosen = load({}, environment)

    assert chosen.secret is not None
    assert chosen.secret.get_secret_value() == "x" * 32
    assert chosen.store_password is None
    wins = load({}, {**environment, "DATCHAT_SECRET": "y" * 32}).secret
    assert wins is not None
    assert wins.get_secret_value() == "y" * 32
    assert settings.unknown(environment) == []
    assert settings.unknown({"DATCHAT_NAME_FILE": "web0"}) == ["DATCHAT_NAME_FILE"]


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"hunter2\n"], ids=["missing", "no text", "short"])
def test_a_wrong_file_of_a_secret_is_one_sentence(tmp_path: Path, content: bytes | None) -> None:
    """A file that can't be read, or holds no secret, is refused by the variable's name, without what it holds."""
    if content is not None:
        (tmp_path / "secret").write_bytes(content)

    with pytest.raises(ConfigurationError) as caught:
        load({}, {"DATCHAT_SECRET_FILE": str(tmp_path / "secret")})

    assert str(caught.value).startswith("DATCHAT_SECRET_FILE")
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_settings_do_not_change() -> None:
    """Once read they are frozen."""
    with pytest.raises(ValidationError):
        Settings().port = 1  # type: ignore[misc]


def test_every_field_is_listed_with_its_names() -> None:
    """The listing has each field once, in order, with variable, flag and a meaning that is a sentence."""
    listed = list(listing())

    assert [s.field for s in listed] == list(Settings.model_fields)
    for s in listed:
        assert s.variable == PREFIX + s.field.upper()
        assert s.flag == "--" + s.field.replace("_", "-")
        assert s.meaning.endswith("."), s.field
        assert "|" not in s.meaning, "it would break the table"


def test_units_are_said() -> None:
    """Every duration and size says its unit, in its name and in its meaning."""
    units = {"_s": "Seconds", "_days": "Days", "_bytes": "bytes"}
    for s in listing():
        for ending, word in units.items():
            if s.field.endswith(ending):
                assert word in s.meaning, s.field


def test_markdown_is_a_table_of_all() -> None:
    """One row a setting, with its default."""
    rows = [line for line in markdown().splitlines() if line.startswith("|")]

    assert len(rows) == 2 + len(Settings.model_fields)
    assert all(row.count("|") == 5 for row in rows)
    assert any(row.startswith("| `--port` | `DATCHAT_PORT` | `8081` |") for row in rows)


def test_own_addresses() -> None:
    """A node that listens on one address is found there; one that listens on all is found somewhere."""
    assert own_addresses("127.0.0.1") == ("127.0.0.1",)
    assert own_addresses("0.0.0.0")


# No setting is ignored

PROCESS = "tests/integration/test_settings.py"
LIMITS = "tests/unit/node/test_limits.py"
HEEDED = {
    "host": f"{PROCESS}::test_host",
    "port": f"{PROCESS}::test_port_and_data",
    "name": f"{PROCESS}::test_name",
    "data": f"{PROCESS}::test_port_and_data",
    "store": f"{PROCESS}::test_store",
    "store_password": "tests/integration/test_redis_password.py::test_store_password",
    "secret": f"{PROCESS}::test_secret",
    "origins": f"{PROCESS}::test_origins",
    "trusted_proxies": f"{PROCESS}::test_trusted_proxies_and_secure_cookies",
    "secure_cookies": f"{PROCESS}::test_trusted_proxies_and_secure_cookies",
    "log_format": f"{PROCESS}::test_log_format_and_level",
    "log_level": f"{PROCESS}::test_log_format_and_level",
    "session_days": f"{PROCESS}::test_session_days",
    "password_hash": f"{PROCESS}::test_password_hash",
    "sign_in_rate": f"{PROCESS}::test_sign_in_rate",
    "ping_s": f"{PROCESS}::test_ping",
    "slow_s": f"{LIMITS}::test_slow_s",
    "post_rate": f"{PROCESS}::test_post_rate",
    "command_rate": f"{PROCESS}::test_command_rate",
    "post_deadline_s": f"{PROCESS}::test_post_deadline",
    "nonce_window_s": f"{PROCESS}::test_nonce_window",
    "roster_s": f"{PROCESS}::test_roster",
    "lease_s": f"{LIMITS}::test_lease_s",
    "session_check_s": f"{LIMITS}::test_session_check_s",
    "session_grace_s": f"{LIMITS}::test_session_grace_s",
    "hold_s": f"{LIMITS}::test_hold_s",
    "linger_s": f"{LIMITS}::test_linger_s",
    "ready_s": f"{LIMITS}::test_ready_s",
    "drain_s": f"{PROCESS}::test_drain",
    "connections": f"{PROCESS}::test_connections",
    "max_body_bytes": f"{PROCESS}::test_max_body_bytes",
    "ack": "tests/unit/test_app.py::test_a_weaker_rule_is_for_drills",
    "drill": "tests/unit/test_app.py::test_a_weaker_rule_is_for_drills",
}
"""Each setting, with the test that fails when the setting is ignored."""


def names_in(path: str) -> set[str]:
    """The names of the test functions in a file."""
    tree = ast.parse((ROOT / path).read_text())
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def test_every_setting_has_a_test() -> None:
    """The table above names every setting, and every test that it names exists."""
    assert list(HEEDED) == list(Settings.model_fields)

    missing = {}
    for field, test in HEEDED.items():
        path, _, name = test.partition("::")
        if not (ROOT / path).is_file() or name not in names_in(path):
            missing[field] = test
    assert missing == {}


def test_the_prefix_is_the_programs() -> None:
    """Variables are recognised by the program's name."""
    assert settings.PREFIX == "DATCHAT_"
