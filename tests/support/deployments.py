"""What the tests of every tool's deployment share."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import httpx

from support.eventually import eventually_now

ROOT: Final = Path(__file__).parents[2]
WHOLE_S: Final = 180.0
"""How long a deployment may take to be whole, on a busy machine."""

CHEAP: Final = {
    "DATCHAT_PASSWORD_HASH": "cheap",
    "DATCHAT_POST_RATE": "0",
    "DATCHAT_COMMAND_RATE": "0",
    "DATCHAT_SIGN_IN_RATE": "0",
}
"""What the nodes are told, so that a drill's people come at once and post faster than people do."""


def ready(url: str) -> bool:
    """Whether the load balancer there leads to a node that is ready."""
    try:
        return httpx.get(f"{url}/readyz", timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def wait_until_ready(urls: Sequence[str]) -> None:
    for url in urls:
        eventually_now(lambda url=url: ready(url), WHOLE_S)  # type: ignore[misc]


def run(words: Sequence[str], *, given: str | None = None, limit_s: float = 120, **variables: str) -> str:
    """Run a command to its end; what it said."""
    done = subprocess.run(
        words,
        env={**os.environ, **variables},
        input=given,
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )
    assert done.returncode == 0, f"{words}: {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout
