"""What a process has cost, read from /proc."""

from __future__ import annotations

import os
import re
import urllib.request
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """The processor time, user's and system's, that a process has used."""
    schedule = Path(f"/proc/{pid}/schedstat")
    if schedule.exists() and (tasks := list(Path(f"/proc/{pid}/task").iterdir())):
        # In nanoseconds, where stat counts in hundredths of a second; of each thread.
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S


def resident_kb(pid: int) -> int:
    """The memory that a process holds."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1])


def metric(url: str, name: str) -> float:
    """One figure of a server's ``/metrics``; 0 for one that isn't there."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    for line in text.splitlines():
        if line.startswith(name + " "):
            return float(line.rsplit(" ", 1)[1])
    return 0.0
