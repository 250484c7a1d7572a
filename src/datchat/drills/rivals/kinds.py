"""
Which rivals there are, as ``--rival`` names them, and what runs as their nodes.

The command line needs the names: nothing heavy is imported here.
"""

from __future__ import annotations

import importlib
import importlib.util
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from datchat.drills.rivals.rival import Rival
from datchat.errors import ConfigurationError

FOLDER: Final = Path(__file__).parents[4] / "rivals"
"""The programs lie in a clone of the repository, not in the package."""


class Kind(NamedTuple):
    """A rival: its adapter, and the modules that adapter and program need beyond ours."""

    text: str
    adapter: str
    needs: tuple[str, ...]


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "original": Kind("dat_chat of 2015", "original.Original", ("redis", "itsdangerous", "websockets")),
        "socketio": Kind(
            "a chat on python-socketio", "socketio.SocketIO", ("socketio", "aiohttp", "redis", "websockets")
        ),
        "channels": Kind(
            "a chat on Django Channels", "channels.Channels", ("django", "channels", "channels_redis", "daphne")
        ),
    }
)


def rival(name: str) -> Rival:
    """
    The adapter of a rival.

    Raises:
        ConfigurationError: Something that it needs is not installed.
    """
    missing = [module for module in KINDS[name].needs if importlib.util.find_spec(module) is None]
    if missing:
        raise ConfigurationError(f"{' and '.join(missing)} missing: run it as `script/rival {name}`, which brings them")
    module, _, adapter = KINDS[name].adapter.partition(".")
    found: Rival = getattr(importlib.import_module(f"datchat.drills.rivals.{module}"), adapter)()
    return found


def variables(name: str) -> dict[str, str]:
    """
    What has a cluster run a rival's program as its nodes.

    Raises:
        ConfigurationError: There is no such program here.
    """
    program = FOLDER / name / "app.py"
    if not program.is_file():
        raise ConfigurationError(f"{program} is missing: rivals are drilled from a clone of the repository")
    return {"DATCHAT_WEB_COMMAND": shlex.join([sys.executable, str(program)])}
