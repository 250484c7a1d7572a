"""Logs as they grow, and how they look."""

from __future__ import annotations

import io
import select
from pathlib import Path

from datchat.cluster.display import Printer, table
from datchat.cluster.follow import LONGEST, Follower


def told(follower: Follower, limit_s: float = 5.0) -> bool:
    """Whether the follower has something to read within the limit."""
    return bool(select.select([follower.descriptor], [], [], limit_s)[0])


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_lines_come_as_they_are_written(tmp_path: Path) -> None:
    """What was there before is not shown; what comes is, line by line, with its name."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("old\n")
    two.touch()
    with Follower({"one": one, "two": two}) as follower:
        assert not told(follower, 0)
        append(one, b"new\nand ")
        assert told(follower)
        assert list(follower.read()) == [("one", "new")]
        append(one, b"whole\n")
        append(two, b"other \xff\n")
        assert told(follower)
        assert list(follower.read()) == [("one", "and whole"), ("two", "other \N{REPLACEMENT CHARACTER}")]
        assert not told(follower, 0)
        assert list(follower.read()) == []


def test_a_line_without_end_is_shown(tmp_path: Path) -> None:
    """It does not pile up in memory."""
    path = tmp_path / "log"
    path.touch()
    with Follower({"log": path}) as follower:
        append(path, b"x" * (LONGEST + 1))
        assert told(follower)
        assert [len(line) for _, line in follower.read()] == [LONGEST + 1]


def test_files_that_are_removed_end_it(tmp_path: Path) -> None:
    """When every file is gone nothing will come any more, and the follower is told so."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.touch()
    two.touch()
    with Follower({"one": one, "two": two}) as follower:
        one.unlink()
        assert told(follower)
        list(follower.read())
        assert not follower.gone
        two.unlink()
        assert told(follower)
        assert follower.gone


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_names_are_in_front() -> None:
    """All names are as wide as the widest; colours are for terminals."""
    plain, terminal = io.StringIO(), Terminal()
    for out in (plain, terminal):
        Printer(["web0", "haproxy"], out).print([("web0", "hello"), ("haproxy", "UP")])

    assert plain.getvalue() == "web0    | hello\nhaproxy | UP\n"
    assert terminal.getvalue() == "\x1b[36mweb0    |\x1b[0m hello\n\x1b[33mhaproxy |\x1b[0m UP\n"


def test_the_table_lists_parts_and_cuts() -> None:
    """A column each, and what is cut off below."""
    parts = [
        {"name": "redismaster", "state": "running", "role": "master", "pid": 12, "host": "10.213.0.10", "port": 6379},
        {"name": "web0", "state": "stopped", "role": None, "pid": None, "host": "10.213.0.16", "port": 8080},
    ]

    assert table(parts, [["web0", "web1"]]).splitlines() == [
        "NAME         STATE    ROLE    PID  ADDRESS",
        "redismaster  running  master  12   10.213.0.10:6379",
        "web0         stopped               10.213.0.16:8080",
        "cut off from the rest: web0, web1",
    ]
