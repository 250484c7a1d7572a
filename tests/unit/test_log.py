"""The log: what its lines hold, and what they must not."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from structlog.testing import capture_logs

from datchat.log import warn_of
from datchat.settings import unknown

PROGRAM = """
import sys
import structlog
from datchat.log import configure_log

configure_log(sys.argv[1], sys.argv[2], "web7")
log = structlog.get_logger("datchat.test")

def sign_in(password):
    raise ValueError("no such thing")

log.debug("a detail")
log.info("a fact", room="lobby")
log.warning("a doubt")
try:
    sign_in("correct horse battery")
except ValueError:
    log.exception("a failure")
"""


def lines(style: str, level: str) -> list[str]:
    """What a process that logs so writes to standard error."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, style, level], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


@pytest.mark.parametrize("style", ["text", "json"])
def test_a_traceback_shows_no_values(style: str) -> None:
    """A failure is logged with its traceback, and without the values of variables: they may be passwords."""
    written = "\n".join(lines(style, "info"))

    assert "no such thing" in written
    assert "sign_in" in written
    assert "correct horse" not in written.replace('sign_in("correct horse battery")', "")


def test_json_is_one_object_a_line() -> None:
    """For machines: each line is an object with event, level, time and node, also a traceback's."""
    events = [json.loads(line) for line in lines("json", "debug")]

    assert [(event["event"], event["level"]) for event in events] == [
        ("a detail", "debug"),
        ("a fact", "info"),
        ("a doubt", "warning"),
        ("a failure", "error"),
    ]
    assert all(event["node"] == "web7" and event["timestamp"].endswith("Z") for event in events)
    assert events[1]["room"] == "lobby"


@pytest.mark.parametrize(("level", "first"), [("debug", "a detail"), ("info", "a fact"), ("warning", "a doubt")])
def test_the_level_decides_what_is_written(level: str, first: str) -> None:
    """What is below the level is not written."""
    assert first in lines("text", level)[0]


def test_misspelt_variables_are_told() -> None:
    """What looks like a setting and is none is named once; settings and other programs' variables are not."""
    environment = {"DATCHAT_PROT": "9000", "DATCHAT_PORT": "9000", "PORT": "1"}

    with capture_logs() as logs:
        warn_of(unknown(environment))
        warn_of(unknown({"DATCHAT_PORT": "9000"}))

    assert [entry["variables"] for entry in logs] == ["DATCHAT_PROT"]
