#!/usr/bin/env python3
"""
The cost of a delivery beside the least that a server can do, and the memory of an idle connection.

Runs the reference comparison (a C server with one send per socket and message, see its README) against a server of
ours at 1000 sockets with 1, 4 and 64 messages in flight, then 5000 idle joined sockets. The reference is found by
BENCH_REFERENCE or lies in ../shared/bench beside this repository; without it nothing is measured.

Exit codes with --check: 0 within the bounds, 1 past one of them. 2 when it can't be measured.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from serve import Served, raise_file_limit, served

ROOT = Path(__file__).resolve().parent.parent
BOUNDS = {1: 1.6, 4: 0.8, 64: 0.2}
"""Messages in flight: the CPU a delivery may cost, as a multiple of the reference's."""
RESTLESS = 1.1
"""A machine is restless on which the reference, too, costs so many times more in one try than in another."""
WIDER = 1.5
"""How many times the bounds are wider there, when no try has been within them."""
MESSAGES = {1: 200, 4: 400, 64: 800}
"""So many that a run takes a few tenths of a second of the processor."""
IDLE_KB = 14.0
"""Memory an idle joined connection may take."""
IDLE_SOCKETS = 5000


def reference() -> Path | None:
    """Where the reference comparison lies, if it does."""
    folder = Path(os.environ.get("BENCH_REFERENCE") or ROOT.parent / "shared" / "bench")
    return folder if (folder / "compare.py").exists() else None


def write_load(folder: Path, token: str) -> list[str]:
    """The files that the load client reads, as arguments of the comparison."""
    text = "ts=%T hello there everyone, this is a chat message of the usual length"
    (folder / "headers.txt").write_bytes(f"Authorization: Bearer {token}\r\n".encode())
    (folder / "init.txt").write_text('{"type":"join","room":"lobby","limit":1}\n')
    (folder / "publish.txt").write_text(f'{{"type":"post","room":"lobby","nonce":"n%I-%T","text":"{text}"}}\n')
    return [part for name in ("headers", "init", "publish") for part in (f"--{name}", str(folder / f"{name}.txt"))]


def compare(tool: Path, server: Served, load: list[str], sockets: int, window: int, messages: int, rounds: int) -> str:
    """Run the comparison; returns what it prints."""
    shape = {"subscribers": sockets, "window": window, "messages": messages, "rounds": rounds}
    options = [part for name, value in shape.items() for part in (f"--{name}", str(value))]
    run = subprocess.run(
        [sys.executable, tool / "compare.py", "--port", str(server.port), "--pids", str(server.pid), *load, *options],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise SystemExit(f"the comparison failed: {run.stderr.strip() or run.stdout.strip()}")
    return run.stdout


def ratio(output: str) -> float:
    """The ratio to the reference that a comparison printed."""
    found = re.search(r"^ratio\s+([0-9.]+)", output, re.MULTILINE)
    assert found is not None, output
    return float(found[1])


def restless(outputs: Sequence[str]) -> bool:
    """Whether the reference took so unequally long that ratios tell little of what is compared to it."""
    costs = [float(found[1]) for output in outputs if (found := re.search(r"^reference +([0-9.]+) us", output, re.M))]
    return max(costs) > RESTLESS * min(costs)


def idle_kb(output: str) -> float:
    """The memory a connection took, as a comparison printed."""
    found = re.search(r"^server .*?([0-9.]+) kB/connection", output, re.MULTILINE)
    assert found is not None, output
    return float(found[1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="exit with 1 past the bounds")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each comparison; medians count [3]")
    parser.add_argument("--tries", type=int, default=1, help="comparisons of which the best counts [1]")
    parser.add_argument("--sockets", type=int, default=1000, help="sockets in the room [1000]")
    parser.add_argument("--idle", type=int, default=IDLE_SOCKETS, help="idle sockets; 0 leaves them out [5000]")
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    options = parser.parse_args()
    tool = reference()
    if tool is None or shutil.which("cc") is None:
        print("nothing measured: it needs the reference programs (BENCH_REFERENCE) and a C compiler")
        return 2
    figures: dict[str, float] = {}
    bounds = {"idle_kb": IDLE_KB}
    with tempfile.TemporaryDirectory() as folder:
        for window, bound in BOUNDS.items():
            tries = [*until_within(tool, Path(folder), window, bound, options)]
            figures[f"ratio_{window}"] = best = min(map(ratio, tries))
            bounds[f"ratio_{window}"] = bound = bound * WIDER if restless(tries) else bound
            print(f"{window:3} in flight: {best:.2f} times the reference (bound {bound:.1f})", flush=True)
        if options.idle:
            sockets = min(options.idle, raise_file_limit() - 200)
            with served(PING_S="600") as server:
                output = compare(tool, server, write_load(Path(folder), server.token), sockets, 1, 5, 1)
            figures["idle_kb"] = idle_kb(output)
            print(f"{sockets} idle: {figures['idle_kb']:.1f} kB a connection (bound {IDLE_KB})")
    if options.json:
        Path(options.json).write_text(json.dumps(figures))
    return int(options.check and any(value > bounds[name] for name, value in figures.items()))


def until_within(tool: Path, folder: Path, window: int, bound: float, options: argparse.Namespace) -> Iterator[str]:
    """What some comparisons print, each with a server of its own; no more than are needed to be within the bound."""
    for _ in range(options.tries):
        with served(PING_S="600") as server:
            load = write_load(folder, server.token)
            output = compare(tool, server, load, options.sockets, window, MESSAGES[window], options.rounds)
        print(output, end="")
        yield output
        if ratio(output) <= bound:
            break


if __name__ == "__main__":
    sys.exit(main())
