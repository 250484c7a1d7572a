"""How each part is started: its command line, its environment, and the binaries that it needs."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from datchat.cluster.files import ADMIN, ERRORS, SECRET
from datchat.cluster.parts import MASTER_NAME, Kind, Part, Plan
from datchat.errors import ConfigurationError

PACKAGES: Final = {"redis-server": "redis-server", "redis-cli": "redis-tools", "haproxy": "haproxy"}
"""The binaries that a cluster needs, and the Debian packages that bring them."""

READY_S: Final = 0.2
"""
What a node may take for each of the two proofs of ``/readyz``: together less than the load balancer waits for an answer
(500 ms), so that a node whose store is away answers 503, and is not taken for a hung one whose sockets are cut.
"""


class Recipe(NamedTuple):
    """How to start a part."""

    command: Sequence[str]
    environment: Mapping[str, str]
    errors: str | None = None
    """The file for what it says on standard error, where that is not to go to its log."""


def require_binaries(path: str | None = None) -> None:
    """
    Make sure that the programs of others are in ``path`` (where the parts look, when None).

    Raises:
        ConfigurationError: Something is missing; the sentence names the packages.
    """
    missing = [name for name in PACKAGES if shutil.which(name, path=path or search_path()) is None]
    if missing:
        packages = " ".join(dict.fromkeys(PACKAGES[name] for name in missing))
        verb = "is" if len(missing) == 1 else "are"
        raise ConfigurationError(f"{' and '.join(missing)} {verb} missing: apt-get install {packages}")


def search_path() -> str:
    """Where programs are looked for: Debian keeps haproxy in /usr/sbin, which is not in everybody's PATH."""
    return os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"))


def stop_limit_s(kind: Kind) -> float:
    """
    How long a part may take to stop before it is killed: Redis itself waits 10 s for replicas that lag; a node drains
    for as long as it was told, and then finishes what is under way.
    """
    drain = os.environ.get("DATCHAT_DRAIN_S", "")
    return 12.0 + (float(drain) if kind is Kind.WEB and drain.replace(".", "", 1).isdigit() else 0.0)


def recipe_for(part: Part, plan: Plan, directory: Path, first: bool, listener: int | None) -> Recipe:
    """
    How to start ``part``. ``first`` says that nothing of the cluster runs, so that a Redis server need not ask anybody
    what it is; ``listener`` is the descriptor of the socket on which the load balancer listens.
    """
    environment = {**os.environ, "PATH": search_path()}
    if part.kind is Kind.REDIS:
        return Recipe(_redis(part, plan, directory, first), {**environment, **_guard(part, plan)})
    if part.kind is Kind.SENTINEL:
        return Recipe(["redis-server", "sentinel.conf", "--sentinel"], environment)
    if part.kind is Kind.HAPROXY:
        settings = {"DATCHAT_BIND": f"fd@{listener}", "DATCHAT_ADMIN": f"unix@{ADMIN}"}
        # It says everything twice: to its log and on standard error.
        return Recipe(["haproxy", "-db", "-f", "haproxy.cfg"], {**environment, **settings}, ERRORS)
    secret = environment.get("DATCHAT_SECRET") or (directory / SECRET).read_text()
    environment |= {"DATCHAT_SECRET": secret, "PYTHONUNBUFFERED": "1"}
    if plan.web_command is not None:
        return Recipe(plan.web_command, {**environment, **_told(part, plan)})
    return Recipe(_web(part, plan), environment)


def _redis(part: Part, plan: Plan, directory: Path, first: bool) -> list[str]:
    command = ["/bin/sh", str(directory / "boot-guard"), "redis.conf"]
    if first and part.name == plan.master:
        return [*command, "master"]
    if first:
        master = plan.part(plan.master)
        return [*command, "replica", master.host, str(master.port)]
    return command


def _guard(part: Part, plan: Plan) -> dict[str, str]:
    return {
        "REDIS_SELF": f"{part.host} {part.port}",
        "SENTINELS": " ".join(sentinel.address for sentinel in plan.of(Kind.SENTINEL)),
        "MASTER_NAME": MASTER_NAME,
    }


def _told(part: Part, plan: Plan) -> dict[str, str]:
    """What a program other than ours is told: by the variables that ours reads too."""
    return {
        "DATCHAT_HOST": part.host,
        "DATCHAT_PORT": str(part.port),
        "DATCHAT_NAME": part.name,
        "DATCHAT_STORE": plan.store,
        "DATCHAT_TRUSTED_PROXIES": plan.balancer_host,
    }


def _web(part: Part, plan: Plan) -> list[str]:
    command = [sys.executable, "-m", "datchat", "serve", "--host", part.host, "--port", str(part.port)]
    command += ["--name", part.name, "--store", plan.store, "--trusted-proxies", plan.balancer_host]
    if "DATCHAT_READY_S" not in os.environ:
        command += ["--ready-s", str(READY_S)]
    return command
