"""HAProxy, asked over HTTP which nodes it takes for well."""

from __future__ import annotations

import csv
from typing import Final

import httpx

from datchat.drills.targets import TargetError

LIMIT_S: Final = 1.0
STATISTICS: Final = "/haproxy?stats;csv"
BACKEND: Final = "web"


async def check(url: str, nodes: int) -> None:
    """
    Return when the load balancer has checked so many nodes and found them up.

    Raises:
        TargetError: It hasn't, or does not say.
    """
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=LIMIT_S) as client:
            answer = await client.get(url + STATISTICS)
            answer.raise_for_status()
    except httpx.HTTPError as error:
        raise TargetError(f"its statistics can't be read: {error or type(error).__name__}") from None
    found = well(answer.text)
    if len(found) < nodes:
        raise TargetError(f"it takes {len(found)} of {nodes} nodes for well: {', '.join(found) or 'none'}")


def well(statistics: str) -> list[str]:
    """The nodes that HAProxy has checked and found up, from its statistics as CSV."""
    rows = csv.DictReader(statistics.lstrip("# ").splitlines())
    return [row["svname"] for row in rows if row["pxname"] == BACKEND and _is_well(row)]


def _is_well(row: dict[str, str]) -> bool:
    return row["svname"] not in ("FRONTEND", "BACKEND") and row["status"] == "UP" and row["check_status"] == "L7OK"
