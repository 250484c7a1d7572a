"""The account of a drill, the words for it, its picture over time and its stories, from a hand-written record."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from datchat.client import Cursor
from datchat.drills import report
from datchat.drills.account import Record, account, back_after_s
from datchat.drills.checkers import CHECKERS, judge
from datchat.drills.circumstances import Circumstances, Fault, Sample, checkers_for
from datchat.drills.glimpse import glimpse
from datchat.drills.happenings import Line
from datchat.drills.history import History, Logged, Operation, Outcome, Seen
from datchat.drills.numbers import counts
from datchat.drills.result import Result, Results, schema_text
from datchat.drills.series import STEP_S, series
from datchat.drills.words import sentence, told

ROOT = Path(__file__).parents[3]
NONCE = "0123456789abcdef0123456789abcdef"
BEGAN = 100.0


def operation(nonce: str, offset: int, at: float, took_s: float = 0.1) -> Operation:
    place = Cursor(offset, "c" * 16)
    return Operation("poster-1", "lobby", nonce, "hello", at, at + took_s, Outcome.STORED, place)


def lossy() -> Record:
    """A drill in which the master was killed at 10 s for 4 s, and one of two acknowledged posts is lost."""
    kept = Logged("lobby", 1, "c" * 16, b"", "kept", "hello")
    history = History(log={"lobby": [kept]})
    history.operations = [operation("kept", 1, BEGAN + 1), operation(NONCE, 2, BEGAN + 11, 3.0)]
    history.connections = [(BEGAN, "poster-1", "web1"), (BEGAN, "reader-1", "web0")]
    ghost = Logged("lobby", 2, "c" * 16, b"", NONCE, "hello")
    history.seen["reader-1", "lobby"] = [Seen(BEGAN + 1.2, kept), Seen(BEGAN + 14.1, ghost)]
    around = Circumstances(
        faults=[Fault("kill", "redismaster", BEGAN + 10, BEGAN + 14)],
        samples=[Sample(BEGAN, "web0", 1, 100, 10)],
        load_from=BEGAN,
        load_until=BEGAN + 20,
    )
    wall = 1_795_560_000.0
    lines = [
        Line(wall + 11.5, "redissentinel", "+sdown", "master mymaster"),
        Line(wall + 11.7, "redissentinel", "+elected-leader", "master mymaster"),
        Line(wall + 12.9, "redissentinel", "+switch-master", "mymaster <a> <b>"),
    ]
    return Record(
        scenario="redis-kill",
        system="Dat Chat",
        seed=7,
        target="local",
        ack="one",
        clients=12,
        rate=60,
        command="datchat drill redis-kill --seed 7 --ack one",
        versions={"Redis": "7.0.15"},
        began=BEGAN,
        wall_began=wall,
        ended=BEGAN + 21,
        history=history,
        around=around,
        lines=lines,
    )


@pytest.fixture
def record() -> Record:
    return lossy()


@pytest.fixture
def result(record: Record) -> Result:
    judgement = judge(record.history, {**CHECKERS, **checkers_for(record.around)})
    return account(record, judgement, counts(record.history))


def test_the_numbers(result: Result) -> None:
    """What was attempted, acknowledged, lost and seen to vanish; the longest silence of the load."""
    assert (result.verdict, result.attempted, result.acknowledged, result.lost, result.phantoms) == (
        "invalid",
        2,
        2,
        1,
        1,
    )
    assert result.longest_silence_s == 12.9
    assert (result.shown, result.connections, result.entries) == (2, 2, {"lobby": 1})


def test_a_fault_is_told_with_its_times(result: Result) -> None:
    """From the fault on: detected, elected, promoted, shown and acknowledged again."""
    (fault,) = result.faults
    assert (fault.kind, fault.part, fault.at_s, fault.until_s) == ("kill", "redismaster", 10.0, 14.0)
    assert (fault.detect_s, fault.elect_s, fault.promote_s) == (1.5, 1.7, 2.9)
    assert (fault.shown_again_s, fault.first_ack_s) == (4.1, 4.0)


def test_the_story_of_what_was_lost(result: Result) -> None:
    """Who asked on which node, when it was acknowledged and shown, what was broken then, what is there now."""
    (lost,) = [anomaly for anomaly in result.anomalies if anomaly.checker == "kept"]
    said = "\n".join(lost.story)

    assert [line.split("  ")[-1] for line in lost.story if "fault" not in line] == [
        "poster-1 is connected to web1",
        f"poster-1 asks to store 'hello' in lobby (nonce {NONCE})",
        "it is acknowledged at 2:cccccccccccccccc",
        "reader-1 is shown it at offset 2",
        "nothing stands at offset 2: the log has 1 entries",
    ]
    assert "  10.000 s  fault: kill of redismaster" in said
    assert lost.story[-1].startswith("at the end")


def test_a_long_story_keeps_its_end(record: Record) -> None:
    """What is left out is counted, and the last line stays."""
    ghost = record.history.seen["reader-1", "lobby"][1]
    for number in range(2, 40):
        record.history.seen[f"reader-{number}", "lobby"] = [ghost]
    judged = account(record, judge(record.history), counts(record.history))
    story = judged.anomalies[0].story

    assert len(story) == 14
    assert re.match(r"… \d+ more …", story[-2])
    assert "at the end" in story[-1]


def test_words(record: Record, result: Result) -> None:
    """A sentence for each verdict; on the terminal the command that repeats what was not valid."""
    assert "Of 2 posts that were acknowledged 1 are lost" in sentence(result)
    assert f"  again: {record.command}" in list(told(result))
    good = msgspec.structs.replace(result, verdict="valid", anomalies=[])
    assert "none is lost, doubled or out of order" in sentence(good)
    assert next(iter(told(good))) == "redis-kill: valid"
    unknown = msgspec.structs.replace(result, verdict="unknown", unknown={"log": "not read"})
    rival = msgspec.structs.replace(result, system="another chat")
    assert "It does not keep what Dat Chat promises. Of 2 posts" in sentence(rival)
    assert next(iter(told(rival))) == "redis-kill of another chat: invalid"
    assert sentence(unknown) == "It can't be judged: log: not read."


def test_many_anomalies_are_cut_on_the_terminal(result: Result) -> None:
    """Five are told, the rest are counted."""
    many = msgspec.structs.replace(result, anomalies=[result.anomalies[0]] * 9)

    assert "  … and 4 more" in list(told(many))


def test_the_series(record: Record) -> None:
    """Rates a second in steps, latencies where there are any, and a lane for each client."""
    drawn = series(record.history, record.around, record.began, record.ended)
    step = int(1.1 / STEP_S)

    assert drawn.acknowledged[step] == 1 / STEP_S
    assert drawn.p50_ms[step] == 100.0
    assert drawn.p50_ms[0] is None
    assert [(lane.client, lane.connections) for lane in drawn.lanes] == [
        ("poster-1", [(0.0, "web1")]),
        ("reader-1", [(0.0, "web0")]),
    ]
    assert sum(drawn.lanes[0].acknowledged) == 2
    assert sum(drawn.lanes[1].shown) == 2


def test_the_page_needs_nothing_else(record: Record, result: Result) -> None:
    """One file: verdict first, no address of anything to fetch, nothing from a log that could be markup."""
    drawn = series(record.history, record.around, record.began, record.ended)
    written = report.page(result, drawn, "What is broken.")

    assert written.index("invalid") < written.index("redis-kill</h1>") < written.index("Numbers")
    assert re.findall(r"""(?:src|href)\s*=\s*["']""", written.split("<script")[0]) == []
    assert "<a>" not in written
    assert "mymaster &lt;a&gt;" in written
    data = json.loads(written.split('id="data">', 1)[1].split("</script>", 1)[0])
    assert data["series"]["lanes"][0]["client"] == "poster-1"
    assert {mark["what"] for mark in data["happenings"]} == {"elected", "promoted"}
    assert "datchat drill redis-kill --seed 7 --ack one" in written


def test_the_schema_is_what_is_written() -> None:
    """docs/drill.schema.json is made from the result's own types."""
    written = (ROOT / "docs" / "drill.schema.json").read_bytes()

    assert written == schema_text(), "write it anew: python -m datchat.drills.result >docs/drill.schema.json"


def test_json_reads_back(result: Result) -> None:
    """What is written is read back the same, one or several."""
    several = Results(verdict="invalid", drills=[result, result])

    assert msgspec.json.decode(msgspec.json.encode(result), type=Result) == result
    assert msgspec.json.decode(msgspec.json.encode(several), type=Results) == several


@pytest.mark.parametrize(
    ("times", "after"),
    [((), None), ((10.1, 10.2, 10.3), None), ((10.1, 12.0, 12.1), 2.0), ((9.0, 13.0), 3.0), ((10.6, 30.0), 0.6)],
    ids=str,
)
def test_back_after_a_silence(times: tuple[float, ...], after: float | None) -> None:
    """When things went on after the longest silence within the time; none when there was no silence."""
    assert back_after_s(times, 10.0, 20.0) == after


def test_a_glimpse(record: Record) -> None:
    """While it runs: rate, silence, and what is wrong already: here two posts in one place."""
    record.history.operations.append(operation("other", 2, BEGAN + 14.5))
    now = glimpse(record.history, record.around, BEGAN + 15)

    assert (now.attempted, now.acknowledged, now.shown, now.anomalies) == (3, 3, 2, 1)
    assert now.rate == 1.0
    assert round(now.silence_s, 3) == 0.4
