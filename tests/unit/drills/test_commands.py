"""The drill's command line: what is asked for, what is refused, how several verdicts are one, what repeats a drill."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec
import pytest

from datchat.cli import build_parser, main
from datchat.drills.checkers import Verdict
from datchat.drills.commands import as_json, check_flags, choose, lacks, named, repeated, worst
from datchat.drills.result import Result, Results
from datchat.drills.scenarios import SCENARIOS
from datchat.drills.targets import Ability
from datchat.drills.targets.kinds import KINDS
from datchat.errors import WrongUsage
from unit.drills.fake_target import FakeTarget


def options(*words: str) -> argparse.Namespace:
    return build_parser().parse_args(["drill", *words])


def result(verdict: str) -> Result:
    return msgspec.convert(
        {
            **{name: 0 for name in Result.__struct_fields__},
            **{name: [] for name in ("faults", "anomalies", "happenings", "nodes")},
            **{name: {} for name in ("unknown", "entries", "versions")},
            **{name: "" for name in ("target", "ack", "began", "command")},
            "verdict": verdict,
            "scenario": "web-kill",
            "system": "Dat Chat",
            "latency": None,
        },
        Result,
    )


def ended(*words: str) -> int:
    with pytest.raises(SystemExit) as exit_:
        main(["drill", *words])
    return int(exit_.value.code or 0)


def test_the_list_names_every_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    """Each with its paragraph."""
    assert ended("list") == 0
    said = capsys.readouterr().out
    for scenario in SCENARIOS.values():
        assert f"{scenario.name}\n    {scenario.text}\n" in said


@pytest.mark.parametrize(
    "words",
    [
        ["no-such-thing"],
        ["web-kill", "all"],
        [],
        ["web-kill", "--duration", "0"],
        ["web-kill", "--rate", "inf"],
        ["web-kill", "--clients", "0"],
        ["web-kill", "--seed", "-1"],
        ["web-kill", "--ack", "some"],
        ["web-kill", "--target", "moon"],
        ["web-kill", "--ack", "one", "--dir", "somewhere"],
        ["web-kill", "--ack", "one", "--target", "compose"],
        ["web-kill", "--project", "chat"],
        ["web-kill", "--target", "compose", "--dir", "somewhere"],
        ["web-kill", "--store-options", "failover=hasten", "--dir", "somewhere"],
        ["web-kill", "--json", "/no/such/directory/result.json"],
        ["web-kill", "--report", "/no/such/directory/report.html"],
    ],
    ids=" ".join,
)
def test_wrong_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence and exit code 64, before anything is started."""
    assert ended(*words) == 64
    assert capsys.readouterr().err


def test_a_cluster_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing can be judged: exit code 2, and what to do."""
    assert ended("web-kill", "--dir", str(tmp_path)) == 2
    assert f"there is no cluster in {tmp_path}" in capsys.readouterr().err


def test_a_variable_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the command line wins."""
    monkeypatch.setenv("DATCHAT_RATE", "7")
    assert options("all").rate == 7
    assert options("all", "--rate", "8").rate == 8


def test_a_variable_of_another_target_is_none_of_this_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """``DATCHAT_DIR`` may be set for other commands; it neither refuses a drill of something else nor names it."""
    monkeypatch.setenv("DATCHAT_DIR", "somewhere")
    given = options("web-kill", "--target", "compose")
    check_flags(given)
    assert repeated(SCENARIOS["web-kill"], given, 5) == "datchat drill web-kill --seed 5 --target compose"


def test_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing can be judged: exit code 2, and what to do."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    assert ended("web-kill", "--target", "compose") == 2
    assert "no Docker engine answers at" in capsys.readouterr().err


def test_scenarios_are_chosen_in_order() -> None:
    """By name, or all of them."""
    assert [scenario.name for scenario in choose(["web-kill", "redis-kill"])] == ["web-kill", "redis-kill"]
    assert choose(["all"]) == list(SCENARIOS.values())
    with pytest.raises(WrongUsage, match="no-such-thing"):
        choose(["no-such-thing"])


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        (["valid", "valid"], Verdict.VALID),
        (["valid", "unknown"], Verdict.UNKNOWN),
        (["unknown", "invalid", "valid"], Verdict.INVALID),
        ([], Verdict.UNKNOWN),
    ],
    ids=str,
)
def test_the_worst_verdict_counts(verdicts: list[str], whole: Verdict) -> None:
    """Nothing drilled is unknown."""
    assert worst([result(verdict) for verdict in verdicts]) is whole


def test_one_result_or_several() -> None:
    """The JSON of one drill is its result; of several it is all of them and the worst verdict."""
    one = msgspec.json.decode(as_json([result("valid")]), type=Result)
    several = msgspec.json.decode(as_json([result("valid"), result("invalid")]), type=Results)

    assert one.verdict == "valid"
    assert (several.verdict, len(several.drills)) == ("invalid", 2)


@pytest.mark.parametrize(
    ("words", "given"),
    [(["web-kill"], []), (["web-kill", "--store-options", "failover=hasten"], ["--store-options", "failover=hasten"])],
    ids=["none", "some"],
)
def test_a_cluster_of_its_own_gets_the_options_of_its_store(
    words: list[str], given: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that were given, beside the variables of its nodes."""
    monkeypatch.setattr("datchat.drills.targets.local.fresh", lambda variables, *words: (variables, list(words)))
    opened: object = KINDS["local"].open(options(*words), {"DATCHAT_ACK": "one"})
    assert opened == ({"DATCHAT_ACK": "one"}, given)


def test_every_report_has_its_file() -> None:
    """By the scenario's name."""
    assert named(Path("/tmp/drill.html"), "web-kill") == Path("/tmp/drill-web-kill.html")


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["web-kill"], "datchat drill web-kill --seed 5"),
        (
            ["web-kill", "--duration", "30", "--rate", "200", "--clients", "40", "--ack", "one"],
            "datchat drill web-kill --seed 5 --duration 30 --rate 200 --clients 40 --ack one",
        ),
        (["web-kill", "--rival", "original"], "datchat drill web-kill --seed 5 --rival original"),
        (
            ["web-kill", "--target", "compose", "--project", "chat"],
            "datchat drill web-kill --seed 5 --target compose --project chat",
        ),
        (["web-kill", "--dir", "my cluster"], "datchat drill web-kill --seed 5 --dir 'my cluster'"),
        (
            ["web-kill", "--store-options", "failover=hasten"],
            "datchat drill web-kill --seed 5 --store-options failover=hasten",
        ),
    ],
    ids=["plain", "options", "target", "rival", "quoted", "store"],
)
def test_the_command_that_repeats_it(words: list[str], command: str) -> None:
    """With all that is not usual, and the seed; read back it is the same drill."""
    given = options(*words)

    assert repeated(SCENARIOS["web-kill"], given, 5) == command


def test_what_a_target_lacks_is_told() -> None:
    """For a scenario that needs it, in a sentence that says why; another scenario runs there."""
    target = FakeTarget(Ability.CUT)

    told = list(lacks(SCENARIOS["redis-split"], target))

    assert told == ["fake can't cut parts off from each other: it is not made for that"]
    assert list(lacks(SCENARIOS["redis-pause-long"], target)) == []
