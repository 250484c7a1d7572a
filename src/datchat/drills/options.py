"""The command ``datchat drill`` as the command line knows it: options, defaults, units, help."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable
from typing import Any, Final

from datchat.drills.rivals.kinds import KINDS as RIVALS
from datchat.drills.targets.kinds import FLAGS, KINDS

CLIENTS: Final = 12
RATE: Final = 60.0
ACKS: Final = ("all", "none", "one", "fenced")

EPILOG: Final = (
    "Every option is also a variable, as DATCHAT_SEED for --seed; the command line wins. "
    "exit codes: 0 fine: valid, 1 the answer is no: invalid, 2 it can't be done or judged: unknown, 64 wrong usage"
)


def add_drill(commands: Any) -> None:
    """Add ``drill``."""
    parser = commands.add_parser(
        "drill",
        help="break a cluster while people use it, and judge what they saw",
        description="Starts a cluster of its own, lets people use it, breaks it, and judges whether the promise was "
        "kept: everything acknowledged is there, once, in one order, and everybody has seen it. "
        "`datchat drill list` says what there is; `all` runs everything.",
        epilog=EPILOG,
    )
    parser.add_argument("scenarios", nargs="+", metavar="SCENARIO", help="what to break; all; or list")
    targets = "; ".join(f"{name}, {kind.text}" for name, kind in KINDS.items())
    _option(parser, "target", "local", f"what to break: {targets}", _word(*KINDS))
    for name, flag in FLAGS.items():
        _option(parser, name, None, flag.meaning, metavar=flag.metavar)
    _option(parser, "duration", None, "seconds that people use the chat, at least [as the scenario says]", _positive)
    _option(parser, "rate", f"{RATE:g}", "posts a second, of all together", _positive)
    _option(parser, "clients", str(CLIENTS), "people that take part; one of each kind at least", _count)
    _option(parser, "seed", None, "number from which all chance comes [a new one]", _seed)
    _option(
        parser,
        "ack",
        "all",
        "rule by which a post counts as stored: all keeps the promise; none, one and fenced are what plain Redis users "
        "have, to see a drill find what they lose",
        _word(*ACKS),
    )
    rivals = "; ".join(f"{name}, {kind.text}" for name, kind in RIVALS.items())
    _option(parser, "rival", None, f"another chat to drill: {rivals} (docs/rivals.md) [Dat Chat]", _word(*RIVALS))
    _option(parser, "json", None, "file for the result as JSON (docs/drill.schema.json)")
    _option(
        parser, "report", None, "file for the report, an HTML page; several drills make a file each, by their names"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from datchat.drills import commands

    return commands.drill(options)


def _option(
    parser: argparse.ArgumentParser,
    name: str,
    default: str | None,
    meaning: str,
    kind: Callable[[str], Any] = str,
    metavar: str | None = None,
) -> None:
    shown = f"{meaning} [{default}]" if default else meaning
    given = variable(name) or default
    # A default that is text is checked like what is typed, so a wrong variable is told as a wrong flag is.
    metavar = metavar or _METAVARS.get(name, name.upper())
    parser.add_argument(f"--{name}", default=given, type=kind, metavar=metavar, help=shown)


def variable(name: str) -> str | None:
    """What the environment says for an option."""
    return os.environ.get("DATCHAT_" + name.replace("-", "_").upper())


_METAVARS: Final = {"duration": "S", "rate": "N", "clients": "N", "seed": "N", "json": "FILE", "report": "FILE"}


def _positive(text: str) -> float:
    value = float(text)
    if not (value > 0 and math.isfinite(value)):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 1000:
        raise argparse.ArgumentTypeError(f"{text} is not between 1 and 1000")
    return value


def _seed(text: str) -> int:
    value = int(text)
    if not 0 <= value < 2**53:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 2^53")
    return value


def _word(*words: str) -> Callable[[str], str]:
    def word(text: str) -> str:
        if text not in words:
            raise argparse.ArgumentTypeError(f"{text} is none of {', '.join(words)}")
        return text

    return word
