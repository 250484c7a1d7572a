"""The keeper of keepalived: what it wants to be told, and what the service manager does for it."""

from __future__ import annotations

import configparser
import subprocess

import pytest

from datchat.cluster.recipes import search_path
from support.balancers import KEEPALIVED, SCRIPT_USER, needs_keepalived

WHOLE = {"ADDRESS": "192.0.2.250/24", "PEER": "127.0.0.1", "SCRIPT_USER": SCRIPT_USER}


def refused(**settings: str) -> str:
    """The one line with which it refuses these settings."""
    environment = {"PATH": search_path(), **settings}
    done = subprocess.run(
        ["/bin/bash", str(KEEPALIVED / "balancer")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 2, done
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.mark.parametrize("name", ["ADDRESS", "PEER"])
def test_it_says_what_is_missing(name: str) -> None:
    """The two settings without which nothing can be done, by name."""
    assert f"set {name}: see the top of " in refused(**{key: value for key, value in WHOLE.items() if key != name})


@needs_keepalived
def test_it_needs_somebody_to_ask_the_questions() -> None:
    """Scripts don't run as root: without the user there is a sentence that makes one."""
    assert "useradd --system nobody-has-this-name" in refused(**{**WHOLE, "SCRIPT_USER": "nobody-has-this-name"})


def test_the_service_takes_the_address_away_after_the_end() -> None:
    """Whatever killed it: the unit runs `balancer release`, and starts it again."""
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(KEEPALIVED / "datchat-balancer.service")

    assert unit["Service"]["ExecStopPost"] == unit["Service"]["ExecStart"] + " release"
    assert unit["Service"]["Restart"] == "always"
