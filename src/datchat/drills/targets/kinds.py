"""Which targets there are, as ``--target`` names them, and what each takes from the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from datchat.drills.targets import Target

Opened = AbstractAsyncContextManager[Target]
"""A target, let go of at the end. Entering raises ``ConfigurationError`` when it is not there, or not whole."""


class Flag(NamedTuple):
    """An option of the command line that some targets take. Its value is None when it was not given."""

    meaning: str
    metavar: str


FLAGS: Final[Mapping[str, Flag]] = MappingProxyType(
    {
        "dir": Flag("local: directory of a running cluster to use [one of its own, taken down at the end]", "DIR"),
        "store-options": Flag(
            "local: options of the store's URL for the nodes of the drill's own cluster, as in failover=hasten",
            "OPTIONS",
        ),
        "project": Flag("compose: name of the running project [the only one that is Dat Chat]", "NAME"),
        "namespace": Flag("kubernetes: the namespace in which Dat Chat runs [datchat]", "NAME"),
        "stack": Flag("swarm: name of the running stack [datchat]", "NAME"),
        "engines": Flag(
            "swarm: the engines of its hosts, as in node1=tcp://node1:2376,node2=tcp://node2:2376 "
            "[only the one of DOCKER_HOST]",
            "HOST=PLACE,…",
        ),
        "job": Flag("nomad: name of the running job [datchat]", "NAME"),
        "crash-command": Flag(
            "kubernetes, swarm, nomad: command that ends a host at once; {host} in it is its name", "COMMAND"
        ),
        "restore-command": Flag("kubernetes, swarm, nomad: command that has a crashed host back", "COMMAND"),
    }
)
"""By name, without the dashes."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of target."""

    text: str
    """What it is, for the help."""
    flags: frozenset[str]
    """Which of ``FLAGS`` it takes."""
    open: Callable[[argparse.Namespace, Mapping[str, str]], Opened]
    """Opens the one that the options mean. The variables are for nodes that it starts: a running one has its own."""


# A target is imported when it is opened: what it needs may not be installed.


def _local(options: argparse.Namespace, variables: Mapping[str, str]) -> Opened:
    from datchat.drills.targets import local

    if options.dir is not None:
        return local.attached(Path(options.dir))
    words = ["--store-options", options.store_options] if options.store_options else []
    return local.fresh(variables, *words)


def _compose(options: argparse.Namespace, variables: Mapping[str, str]) -> Opened:
    from datchat.drills.targets import compose

    return compose.opened(options.project)


def _kubernetes(options: argparse.Namespace, variables: Mapping[str, str]) -> Opened:
    from datchat.drills.targets import kubernetes

    return kubernetes.opened(options.namespace, options.crash_command, options.restore_command)


def _swarm(options: argparse.Namespace, variables: Mapping[str, str]) -> Opened:
    from datchat.drills.targets import swarm

    return swarm.opened(options.stack, options.engines, options.crash_command, options.restore_command)


def _nomad(options: argparse.Namespace, variables: Mapping[str, str]) -> Opened:
    from datchat.drills.targets import nomad

    return nomad.opened(options.job, options.crash_command, options.restore_command)


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "local": Kind(text="a cluster of `datchat up`", flags=frozenset({"dir", "store-options"}), open=_local),
        "compose": Kind(text="a running project of Docker Compose", flags=frozenset({"project"}), open=_compose),
        "kubernetes": Kind(
            text="what deploy/kubernetes runs, of the cluster that kubectl is set to or that the drill runs in",
            flags=frozenset({"namespace", "crash-command", "restore-command"}),
            open=_kubernetes,
        ),
        "swarm": Kind(
            text="a running stack of Docker Swarm",
            flags=frozenset({"stack", "engines", "crash-command", "restore-command"}),
            open=_swarm,
        ),
        "nomad": Kind(
            text="a running job of Nomad",
            flags=frozenset({"job", "crash-command", "restore-command"}),
            open=_nomad,
        ),
    }
)
