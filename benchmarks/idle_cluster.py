"""
What a cluster costs while nobody is there: the CPU time of each part, in percent of one core.

Reads the kernel's own count (``/proc/PID/task/*/schedstat``, nanoseconds on a CPU). Work of others on the machine makes
every figure higher, since caches and execution units are shared: measure on a machine that has nothing else to do.

The same cluster took 2.2 to 2.8 % on one virtual machine and 3.9 to 4.2 on another. The sentinels, which are Redis' own
program and do the same everywhere, are the measure of that: all parts take some eleven times what one of them takes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

BOUND: Final = 3.0
"""Percent of one core for all parts together."""
SENTINELS: Final = 13.0
"""How many sentinels they may cost together, where one of them alone takes so much that the bound can't be kept."""


def main() -> int:
    parser = argparse.ArgumentParser(description="CPU time of an idle cluster's parts")
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--tries", type=int, default=1, help="measure again while it is above the bound, so many times")
    parser.add_argument(
        "--check",
        action="store_true",
        help=f"exit with 1 above {BOUND:g} %% of one core in all, or {SENTINELS:g} sentinels",
    )
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        directory = str(Path(folder) / "cluster")
        try:
            datchat("up", "--detach", "--port", "0", "--dir", directory)
            for _ in range(options.tries):
                shares = measure(directory, options.seconds)
                total, bound = sum(shares.values()), bound_for(shares)
                if total <= bound:
                    break
        finally:
            datchat("down", "--dir", directory)
    for name, share in (*shares.items(), ("total", total), ("bound", bound)):
        print(f"{name:16} {share:6.2f} %")
    return int(options.check and total > bound)


def bound_for(shares: dict[str, float]) -> float:
    """What all parts together may take on this machine."""
    sentinels = [share for name, share in shares.items() if "sentinel" in name]
    return max(BOUND, SENTINELS * sum(sentinels) / len(sentinels))


def measure(directory: str, seconds: float) -> dict[str, float]:
    """Percent of one core that each part took for so long."""
    parts = json.loads(datchat("ps", "--json", "--dir", directory))
    pids = {part["name"]: part["pid"] for part in parts}
    pids["supervisor"] = int(Path(f"/proc/{pids['haproxy']}/stat").read_text().rpartition(")")[2].split()[1])
    time.sleep(2)  # what a start leaves to be done is no idling
    before = {name: on_cpu_s(pid) for name, pid in pids.items()}
    time.sleep(seconds)
    return {name: 100 * (on_cpu_s(pid) - before[name]) / seconds for name, pid in pids.items()}


def datchat(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "datchat", *arguments], check=True, capture_output=True, text=True)
    return done.stdout


def on_cpu_s(pid: int) -> float:
    """Seconds that a process has been on a CPU so far."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


if __name__ == "__main__":
    sys.exit(main())
