"""What is read from the parts' logs."""

from __future__ import annotations

import time

from datchat.drills.happenings import Line, first_after, of_node, of_sentinel

SENTINEL = """\
2042:X 24 Nov 2026 22:41:01.123 # +sdown master mymaster 10.213.0.10 6379
2042:X 24 Nov 2026 22:41:01.200 * +sentinel sentinel abc 10.213.0.14 26379 @ mymaster 10.213.0.10 6379
-- redissentinel paused
2042:X 24 Nov 2026 22:41:02.500 # +switch-master mymaster 10.213.0.10 6379 10.213.0.11 6379
"""
KEPT = [*SENTINEL.splitlines(), "2026-11-24T22:41:02.500000Z [warning ] the feed is lost node=web0"]
NODE = """\
2026-11-24T22:41:01.123456Z [info    ] ready node=web0
2026-11-24T22:41:02.500000Z [warning ] the feed is lost node=web0
"""


def test_sentinels_words() -> None:
    """The events of a failover, at their times in this machine's zone; nothing else."""
    lines = list(of_sentinel("redissentinel", SENTINEL))

    expected = time.mktime((2026, 11, 24, 22, 41, 1, 0, 0, -1))
    assert [(round(line.at - expected, 3), line.event) for line in lines] == [
        (0.123, "+sdown"),
        (1.5, "+switch-master"),
    ]
    assert lines[1].text == "mymaster 10.213.0.10 6379 10.213.0.11 6379"


def test_lines_with_the_time_they_were_said_at() -> None:
    """Who kept the log has noted the time in UTC, whatever the part takes for its zone."""
    stamped = "".join(f"2026-11-24T22:41:0{number}.250000000Z {line}\n" for number, line in enumerate(KEPT))

    lines = [*of_sentinel("redissentinel", stamped), *of_node("web0", stamped)]

    assert [(line.event, time.strftime("%H:%M:%S", time.gmtime(line.at))) for line in lines] == [
        ("+sdown", "22:41:00"),
        ("+switch-master", "22:41:03"),
        ("warning", "22:41:02"),
    ]
    assert lines[0].at % 1 == 0.25


def test_a_nodes_warnings() -> None:
    """Warnings and errors at their times in UTC."""
    (line,) = of_node("web0", NODE)

    assert (line.source, line.event, line.text) == ("web0", "warning", "the feed is lost node=web0")
    assert time.strftime("%H:%M:%S", time.gmtime(line.at)) == "22:41:02"


def test_the_first_after_a_moment() -> None:
    """Of the events that are asked for, within the time."""
    lines = [Line(1.0, "s", "+sdown", ""), Line(3.0, "s", "+odown", ""), Line(4.0, "s", "+sdown", "")]

    assert first_after(lines, 2.0, 10.0, "+sdown", "+odown") == 1.0
    assert first_after(lines, 2.0, 10.0, "+sdown") == 2.0
    assert first_after(lines, 2.0, 3.5, "+sdown") is None
