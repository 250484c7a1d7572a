"""Both Composes that compose.yaml is for: Debian 12's docker-compose 1.29, and Compose 2."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pytest

from support.compose import COMPOSE, ROOT

KEPT = ROOT / ".cache" / "compose2"
PROGRAM = "usr/libexec/docker/cli-plugins/docker-compose"
SOURCE = "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main\n"


def compose1() -> Sequence[str]:
    """What Debian 12 has as ``docker-compose``."""
    return COMPOSE


@cache
def compose2() -> Sequence[str]:
    """``docker compose``, or the same program from Debian 13's package, fetched for this."""
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0:
        return ("docker", "compose")
    if not (KEPT / PROGRAM).exists():
        if not os.environ.get("CI") and (shutil.which("apt-get") is None or os.geteuid() != 0):
            pytest.skip("Compose 2 is missing")
        _fetch(KEPT)
    return (str(KEPT / PROGRAM),)


def _fetch(folder: Path) -> None:
    """Debian 13's package, taken apart: what is installed stays as it is."""
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "sources.list").write_text(SOURCE)
    options = {
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": folder / "lists",
        "Dir::Cache": folder / "cache",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
    }
    words = ["apt-get", "-qq", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]
    subprocess.run([*words, "update"], check=True, capture_output=True, timeout=120)
    subprocess.run([*words, "download", "docker-compose"], check=True, capture_output=True, timeout=120, cwd=folder)
    package = next(folder.glob("docker-compose_*.deb"))
    subprocess.run(["dpkg-deb", "-x", package, folder], check=True, timeout=60)
    package.unlink()
    shutil.rmtree(folder / "lists")


COMPOSES: Sequence[Callable[[], Sequence[str]]] = (compose1, compose2)
