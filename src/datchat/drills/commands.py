"""What ``datchat drill`` does; returns an exit code."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from datchat.drills import report
from datchat.drills.checkers import Verdict
from datchat.drills.live import watched
from datchat.drills.options import CLIENTS, RATE, variable
from datchat.drills.result import Result, Results
from datchat.drills.rivals import people as users
from datchat.drills.rivals.kinds import variables
from datchat.drills.run import Drill, Order
from datchat.drills.scenarios import SCENARIOS, Scenario
from datchat.drills.targets import Ability, Target, clocks
from datchat.drills.targets.harms import lack_of
from datchat.drills.targets.kinds import FLAGS, KINDS
from datchat.drills.words import told
from datchat.drills.workload.crowd import Size
from datchat.errors import ConfigurationError, WrongUsage

CODES: Final = {Verdict.VALID: 0, Verdict.INVALID: 1, Verdict.UNKNOWN: 2}
WORST: Final = (Verdict.INVALID, Verdict.UNKNOWN, Verdict.VALID)

NODES: Final = {
    "DATCHAT_PASSWORD_HASH": "cheap",
    "DATCHAT_POST_RATE": "0",
    "DATCHAT_COMMAND_RATE": "0",
    "DATCHAT_SIGN_IN_RATE": "0",
}
"""What the nodes of a drill's own cluster are told: its people come at once, and post faster than people do."""


def drill(options: argparse.Namespace) -> int:
    """Run the drills that were asked for, one after the other, and say what came out."""
    if options.scenarios == ["list"]:
        for scenario in SCENARIOS.values():
            print(f"{scenario.name}\n    {scenario.text}")
        return 0
    chosen = choose(options.scenarios)
    check_flags(options)
    for file in (options.json, options.report):
        if file is not None and not Path(file).absolute().parent.is_dir():
            raise WrongUsage(f"{file}: there is no such directory")
    seed = options.seed if options.seed is not None else secrets.randbelow(2**31)
    everything = options.scenarios == ["all"]
    results = asyncio.run(_run_all(chosen, options, seed, everything))
    verdict = worst(results)
    if options.json is not None:
        Path(options.json).write_bytes(as_json(results))
    if len(results) > 1:
        print(f"{verdict.value}: {', '.join(f'{result.scenario} {result.verdict}' for result in results)}")
    return CODES[verdict]


def check_flags(options: argparse.Namespace) -> None:
    """
    Return when the options go together.

    Raises:
        WrongUsage: They don't.
    """
    kind = KINDS[options.target]
    for name in FLAGS.keys() - kind.flags:
        # A variable may be meant for another command, or another day's target; what is typed is meant for this one.
        if _flag(options, name) not in (None, variable(name)):
            takers = ", ".join(taker for taker, other in KINDS.items() if name in other.flags)
            raise WrongUsage(f"--{name} is for --target {takers}")
    if options.store_options and options.dir is not None:
        raise WrongUsage("--store-options is for a cluster of the drill's own: leave out --dir")
    if options.rival is not None and (options.ack != "all" or options.target != "local" or options.dir is not None):
        raise WrongUsage("--rival is for a cluster of the drill's own: leave out --ack, --dir and --target")
    if options.ack != "all" and (options.target != "local" or options.dir is not None):
        raise WrongUsage("--ack is for a cluster of the drill's own: leave out --dir and --target")


def _flag(options: argparse.Namespace, name: str) -> str | None:
    value: str | None = getattr(options, name.replace("-", "_"))
    return value


def choose(names: Sequence[str]) -> list[Scenario]:
    """
    The scenarios with these names, in order; all of them for ``all``.

    Raises:
        WrongUsage: There is none of a name.
    """
    if list(names) == ["all"]:
        return list(SCENARIOS.values())
    for name in names:
        if name not in SCENARIOS:
            raise WrongUsage(f"there is no scenario {name!r}: `datchat drill list` says what there is")
    return [SCENARIOS[name] for name in names]


def worst(results: Sequence[Result]) -> Verdict:
    """The worst verdict; unknown when nothing was drilled."""
    found = {Verdict(result.verdict) for result in results} or {Verdict.UNKNOWN}
    return next(verdict for verdict in WORST if verdict in found)


def as_json(results: Sequence[Result]) -> bytes:
    """What ``--json`` writes: the result of one drill, or all with the worst verdict."""
    whole = results[0] if len(results) == 1 else Results(verdict=worst(results).value, drills=list(results))
    return msgspec.json.format(msgspec.json.encode(whole), indent=1) + b"\n"


async def _run_all(
    chosen: Sequence[Scenario], options: argparse.Namespace, seed: int, everything: bool
) -> list[Result]:
    weaker = {} if options.ack == "all" else {"DATCHAT_ACK": options.ack, "DATCHAT_DRILL": "1"}
    if options.rival is not None:
        weaker = variables(options.rival)
    results = []
    for scenario in chosen:
        with clocks.movable(Ability.JUMP_CLOCK in scenario.needs) as movable:
            async with KINDS[options.target].open(options, {**NODES, **weaker, **movable}) as target:
                lacking = [*users.left_out(scenario.name, options.rival), *lacks(scenario, target)]
                if not lacking:
                    results.append(await _run(scenario, target, options, seed, len(chosen) > 1))
                elif everything:
                    print(f"{scenario.name}: left out: {lacking[0]}")
                else:
                    raise ConfigurationError(f"{scenario.name}: {lacking[0]}")
    return results


def lacks(scenario: Scenario, target: Target) -> Iterator[str]:
    """What a target can't do that a scenario needs, in sentences."""
    for ability in sorted(scenario.needs):
        if (why := lack_of(target, ability)) is not None:
            yield f"{target.name} can't {ability.value}: {why}"


async def _run(scenario: Scenario, target: Target, options: argparse.Namespace, seed: int, several: bool) -> Result:
    order = Order(
        seed=seed,
        size=Size(clients=options.clients, rate=options.rate),
        lasts_s=options.duration,
        ack=options.ack,
        command=repeated(scenario, options, seed),
    )
    drill = Drill(scenario, target, order, users.people(options.rival))
    async with watched(drill, sys.stderr):
        result = await drill.run()
    print("\n".join(told(result)), flush=True)
    if options.report is not None and drill.series is not None:
        path = named(Path(options.report), scenario.name) if several else Path(options.report)
        await asyncio.to_thread(path.write_text, report.page(result, drill.series, scenario.text))
        print(f"  report: {path}")
    return result


def named(path: Path, scenario: str) -> Path:
    """The file of one of several reports."""
    return path.with_name(f"{path.stem}-{scenario}{path.suffix}")


def repeated(scenario: Scenario, options: argparse.Namespace, seed: int) -> str:
    """The command that repeats a drill."""
    words = ["datchat", "drill", scenario.name, "--seed", str(seed)]
    if options.target != "local":
        words += ["--target", options.target]
    for name in FLAGS:
        if name in KINDS[options.target].flags and (value := _flag(options, name)) is not None:
            words += [f"--{name}", value]
    if options.duration is not None:
        words += ["--duration", f"{options.duration:g}"]
    if options.rate != RATE:
        words += ["--rate", f"{options.rate:g}"]
    if options.clients != CLIENTS:
        words += ["--clients", str(options.clients)]
    if options.ack != "all":
        words += ["--ack", options.ack]
    if options.rival is not None:
        words += ["--rival", options.rival]
    return shlex.join(words)
