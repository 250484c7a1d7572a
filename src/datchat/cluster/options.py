"""The commands for a cluster as the command line knows them: options, defaults, units, help."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Callable
from typing import Any, Final

DIRECTORY: Final = "./datchat-cluster"

_ACTS: Final = {
    "stop": ("stop parts: SIGTERM, and wait until they have ended", "Nodes drain, Redis waits for its replicas."),
    "start": (
        "start parts that are stopped",
        "Waits up to 15 s until they are ready. A Redis server asks the sentinels first whether it is a master.",
    ),
    "kill": ("kill parts with SIGKILL", "They stay down until they are started."),
    "pause": ("pause parts with SIGSTOP", "They keep their connections, and say nothing."),
    "unpause": ("let paused parts go on (SIGCONT)", ""),
    "restart": ("stop parts and start them again", ""),
    "partition": (
        "cut parts off from all others",
        "The parts that are named reach each other and nobody else. Needs a cluster that runs as root.",
    ),
}


def add_cluster(commands: Any, epilog: str) -> None:
    """Add ``up``, ``ps``, ``logs``, the acts on parts, ``heal`` and ``down``."""
    _add_up(commands, epilog)
    listing = _add(commands, "ps", "list the parts as they are now", "", epilog)
    listing.add_argument("--json", action="store_true", help="as JSON")
    _add_logs(commands, epilog)
    for name, (summary, more) in _ACTS.items():
        parser = _add(commands, name, summary, more, epilog, "act")
        parser.add_argument("names", nargs="+", metavar="NAME", help="a part's name, as `datchat ps` lists it")
    _add(commands, "heal", "undo every partition", "", epilog, "act")
    down = _add(commands, "down", "stop the cluster and remove it, data and all", "", epilog)
    down.add_argument("--keep-data", action="store_true", help="keep the directory: the next `up` goes on with it")


def _add_up(commands: Any, epilog: str) -> None:
    up = _add(
        commands,
        "up",
        "run a whole cluster on this machine: Redis, sentinels, nodes, HAProxy",
        "Runs a Redis master with its replicas, three sentinels, web nodes and HAProxy as processes of this machine; "
        "as root each in a network of its own. In the foreground it prints what they say until Ctrl-C stops them.",
        "Every option is also a variable, as DATCHAT_PORT for --port; the command line wins. All DATCHAT_* variables "
        "reach the web nodes. " + epilog,
    )
    up.add_argument("--detach", "-d", action="store_true", help="return when every part is ready")
    _option(up, "host", "127.0.0.1", "address to listen on")
    _option(up, "port", "8081", "port to listen on; 0 takes a free one and says which", _number(0, 65535))
    _option(up, "web", "3", "number of web nodes", _number(1, 50))
    _option(up, "replicas", "2", "number of Redis replicas", _number(1, 20))
    _option(
        up,
        "network",
        "auto",
        "namespaces: each part in a network of its own (root only); loopback: all on 127.0.0.1; auto: what can be had",
        _word("auto", "namespaces", "loopback"),
    )
    _option(up, "web-store", None, "URL of another store for the web nodes [the cluster's Redis servers]")
    _option(up, "store-options", "", "options of the store's URL for the web nodes, as in failover=hasten")
    _option(
        up,
        "web-command",
        None,
        "another program for the web nodes, found by PATH or from the root; it is told where and for whom by the "
        "variables that `datchat serve` reads [datchat serve]",
        _command,
    )
    up.add_argument(
        "--restart",
        action="store_true",
        default=os.environ.get("DATCHAT_RESTART", "") not in ("", "0"),
        help="start parts again that end without being told: Redis after 5 s, others after 1 s, then ever later",
    )


def _add_logs(commands: Any, epilog: str) -> None:
    logs = _add(commands, "logs", "print what the parts say", "", epilog)
    logs.add_argument("names", nargs="*", metavar="NAME", help="a part's name [all]")
    logs.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C, or until the cluster is down")
    logs.add_argument("--tail", type=_number(0, 10**9), metavar="N", help="only the last N lines of each part [all]")


def _add(commands: Any, name: str, summary: str, more: str, epilog: str, run: str = "") -> argparse.ArgumentParser:
    description = f"{summary[0].upper()}{summary[1:]}. {more}".strip()
    parser: argparse.ArgumentParser = commands.add_parser(name, help=summary, description=description, epilog=epilog)
    _option(parser, "dir", DIRECTORY, "directory of the cluster")
    parser.set_defaults(run=_runner(run or name), do=name)
    return parser


def _runner(name: str) -> Callable[[argparse.Namespace], int]:
    def run(options: argparse.Namespace) -> int:
        from datchat.cluster import commands

        act: Callable[[argparse.Namespace], int] = getattr(commands, name)
        return act(options)

    return run


def _option(
    parser: argparse.ArgumentParser,
    name: str,
    default: str | None,
    meaning: str,
    kind: Callable[[str], Any] = str,
) -> None:
    variable = "DATCHAT_" + name.upper().replace("-", "_")
    shown = f"{meaning} [{default}]" if default else meaning
    given = os.environ.get(variable) or default
    metavar = name.rsplit("-", 1)[-1].upper()
    # A default that is text is checked like what is typed, so a wrong variable is told as a wrong flag is.
    parser.add_argument(f"--{name}", default=given, type=kind, metavar=metavar, help=shown)


def _number(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is not between {least} and {most}")
        return value

    return number


def _command(text: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} can't be read: {error}") from None
    if not words:
        raise argparse.ArgumentTypeError("a command has at least one word")
    return words


def _word(*words: str) -> Callable[[str], str]:
    def word(text: str) -> str:
        if text not in words:
            raise argparse.ArgumentTypeError(f"{text} is none of {', '.join(words)}")
        return text

    return word
