"""
Makes the table of docs/deploy/compared.md of results of drills: ``python table.py FOLDER`` takes those that
``script/test clusters`` and ``datchat drill --json`` have left in a folder, keeps what the table needs of them in
results.json, and prints the table.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

KEPT: Final = Path(__file__).with_name("results.json")
FIELDS: Final = (
    "target", "scenario", "verdict", "began", "seed", "clients", "rate", "acknowledged", "lost", "doubled", "reordered",
    "gaps", "phantoms", "longest_silence_s", "faults", "versions",
)  # fmt: skip
TOOLS: Final = {
    "local": "processes",
    "compose": "Compose",
    "swarm": "Swarm",
    "kubernetes": "Kubernetes",
    "nomad": "Nomad",
}
ROWS: Final = (
    ("redis-kill", "", "the master is killed"),
    ("web-kill", "", "a node is killed"),
    ("rolling-restart", "web", "all nodes are renewed"),
    ("rolling-restart", "redis", "all Redis servers are renewed"),
    ("node-drain", "", "the master's host is drained"),
    ("node-crash", "", "the master's host crashes"),
)
NONE: Final = "-"


def table(results: Sequence[dict[str, Any]]) -> str:
    """A row a fault, a column a tool: the longest time without an acknowledged post, median and most of the runs."""
    lines = [f"| | {' | '.join(TOOLS.values())} |", f"| --- |{' --- |' * len(TOOLS)}"]
    for scenario, part, what in ROWS:
        cells = [_cell(_silences(results, tool, scenario, part)) for tool in TOOLS]
        lines.append(f"| {what} | {' | '.join(cells)} |")
    counts = [str(sum(result["acknowledged"] for result in results if result["target"] == tool)) for tool in TOOLS]
    drills = [str(sum(result["target"] == tool for result in results)) for tool in TOOLS]
    lines.append(f"| drills | {' | '.join(drills)} |")
    lines.append(f"| posts acknowledged, of which lost: 0 | {' | '.join(f'{int(count):,}' for count in counts)} |")
    return "\n".join(lines) + "\n"


def _silences(results: Iterable[dict[str, Any]], tool: str, scenario: str, part: str) -> list[float]:
    """Of each run, the longest silence that a fault of that part was followed by."""
    runs: dict[str, list[float]] = defaultdict(list)
    for result in results:
        if (result["target"], result["scenario"]) == (tool, scenario):
            for fault in result["faults"]:
                if part in fault["part"]:
                    runs[result["began"]].append(fault["silence_s"])
    return [max(silences) for silences in runs.values()]


def _cell(silences: Sequence[float]) -> str:
    return f"{median(silences):.1f} s, at most {max(silences):.1f}" if silences else NONE


def collected(folder: Path) -> list[dict[str, Any]]:
    """What the table needs of all results in a folder."""
    found: list[dict[str, Any]] = []
    for path in sorted(folder.glob("*.json")):
        read = json.loads(path.read_bytes())
        found += read.get("drills", [read])
    wanted = {scenario for scenario, _, _ in ROWS}
    kept = [{name: result[name] for name in FIELDS} for result in found if result["scenario"] in wanted]
    return sorted(kept, key=lambda result: (result["target"], result["scenario"], result["began"]))


if __name__ == "__main__":
    results = collected(Path(sys.argv[1]))
    KEPT.write_text("[\n" + ",\n".join(json.dumps(result) for result in results) + "\n]\n")
    print(table(results), end="")
