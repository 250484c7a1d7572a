"""The command line: each command is a few lines that call what does it."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import uvloop

from datchat import __version__, lean, settings  # lean comes before what it keeps away
from datchat.cluster.options import add_cluster
from datchat.drills.options import add_drill
from datchat.errors import BackendError, ClientError, ConfigurationError, WrongUsage

FINE, NO, CANT, USAGE = 0, 1, 2, 64
"""Exit codes: fine; the answer is no; it can't be done; wrong usage."""

EPILOG = "exit codes: 0 fine, 1 the answer is no, 2 it can't be done, 64 wrong usage"


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    try:
        code = options.run(options)
    except (ConfigurationError, ClientError, BackendError) as error:
        print(f"datchat: {error}", file=sys.stderr)
        code = USAGE if isinstance(error, WrongUsage) else CANT
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        # Whoever read our output has gone; there is nobody left to tell.
        sys.stderr.close()
        code = FINE
    sys.exit(code)


class Parser(argparse.ArgumentParser):
    """argparse, with the exit code that commands.md gives to wrong usage."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def build_parser() -> Parser:
    """The whole command line."""
    parser = Parser(
        prog="datchat",
        description="Dat Chat: a distributed chat that people can use and that engineers break on purpose.",
        epilog=EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"datchat {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_serve(commands)
    _add_user(commands)
    _add_verify(commands)
    add_cluster(commands, EPILOG)
    add_drill(commands)
    listing = commands.add_parser("settings", help="every setting, its variable, default and meaning", epilog=EPILOG)
    listing.add_argument("--markdown", action="store_true", help="as a Markdown table")
    listing.set_defaults(run=_settings)
    return parser


def _add_serve(commands: Any) -> None:
    serve = commands.add_parser(
        "serve",
        help="run a node: pages, API and sockets on one port",
        description="Run a node: pages, API and sockets on one port, until SIGTERM or Ctrl-C.",
        epilog="Every option is also a variable, as DATCHAT_PORT for --port; the command line wins. " + EPILOG,
    )
    for setting in settings.listing():
        default = f" [{setting.default}]" if setting.default else ""
        serve.add_argument(
            setting.flag,
            dest=setting.field,
            metavar=setting.field.rsplit("_", 1)[-1].upper(),
            help=f"{setting.meaning}{default}".replace("%", "%%"),
        )
    serve.set_defaults(run=_serve)


def _add_store_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", metavar="DIR", help="directory of the embedded store [./datchat-data]")
    parser.add_argument("--store", metavar="URL", help="URL of another store, as sqlite:///path")


def _add_user(commands: Any) -> None:
    user = commands.add_parser(
        "user",
        help="add, list, disable accounts; reset passwords",
        description="Accounts, beside a running server or without one.",
        epilog=EPILOG,
    )
    acts = user.add_subparsers(title="acts", metavar="ACT", required=True)
    add = acts.add_parser("add", help="make an account; prints a password when none is given", epilog=EPILOG)
    add.add_argument("email")
    add.add_argument("--name", help="shown name [the part of the e-mail before the @]")
    add.add_argument("--password", help="8 to 200 characters [made and printed]")
    add.add_argument("--admin", action="store_true", help="may delete anybody's messages")
    listing = acts.add_parser("list", help="list the accounts", epilog=EPILOG)
    listing.add_argument("--json", action="store_true", help="as JSON")
    disable = acts.add_parser("disable", help="end an account's sessions and let it in no more", epilog=EPILOG)
    disable.add_argument("email")
    disable.add_argument("--undo", action="store_true", help="let it in again")
    reset = acts.add_parser("reset-password", help="give an account a new password, end its sessions", epilog=EPILOG)
    reset.add_argument("email")
    reset.add_argument("--password", help="8 to 200 characters [made and printed]")
    for act, parser in (("add", add), ("list", listing), ("disable", disable), ("reset-password", reset)):
        _add_store_options(parser)
        parser.set_defaults(run=_user, act=act)


def _add_verify(commands: Any) -> None:
    verify = commands.add_parser(
        "verify",
        help="walk every log: offsets without holes, chains right",
        description="Walk every room's log and check that offsets have no holes and chains are right; also beside a "
        "running server. Exit code 1 when something is wrong.",
        epilog=EPILOG,
    )
    _add_store_options(verify)
    verify.set_defaults(run=_verify)


# What the commands do


def _serve(options: argparse.Namespace) -> int:
    lean.start()
    from datchat import app, log

    flags = {setting.field: getattr(options, setting.field) for setting in settings.listing()}
    chosen = settings.load(flags)
    log.configure_log(chosen.log_format, chosen.log_level, chosen.name)
    log.warn_of(settings.unknown())

    def announce(url: str, folder: Path | None) -> None:
        print(f"Dat Chat {__version__}, node {chosen.name}, serves {url}")
        if folder is not None:
            print(f"data in {folder.absolute()}, kept between runs")
        print("stop it with Ctrl-C", flush=True)
        lean.started()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(app.serve(chosen, announce))
    return FINE


def _settings(options: argparse.Namespace) -> int:
    if options.markdown:
        print(settings.markdown(), end="")
        return FINE
    for setting in settings.listing():
        default = f" [{setting.default}]" if setting.default else ""
        print(f"{setting.flag}  {setting.variable}{default}\n    {setting.meaning}")
    return FINE


def _user(options: argparse.Namespace) -> int:
    from datchat import administration

    return asyncio.run(administration.user(_load_store(options), options))


def _verify(options: argparse.Namespace) -> int:
    from datchat import administration

    return asyncio.run(administration.verify(_load_store(options)))


def _load_store(options: argparse.Namespace) -> settings.Settings:
    return settings.load({"data": options.data, "store": options.store})
