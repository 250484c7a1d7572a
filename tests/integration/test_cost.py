"""
What a delivery, an idle connection and the opening of a room cost, by small forms of the benchmarks.

Each tries again when the machine was too restless to be within the bound at once; what is too dear fails each try.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.clusters import Cluster, needs_servers

pytestmark = pytest.mark.measures

ROOT = Path(__file__).resolve().parents[2]
CANT_BE_MEASURED = 2
START_S = 5.0


def benchmark(name: str, *arguments: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
    """Run a benchmark with --check."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DATCHAT_")}
    if folder := os.environ.get("BENCH_REFERENCE"):
        kept["BENCH_REFERENCE"] = folder
    return subprocess.run(
        [sys.executable, ROOT / "benchmarks" / f"{name}.py", "--check", *arguments],
        env=kept,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


@pytest.mark.timeout(600)
def test_a_delivery_and_an_idle_connection_cost_little(tmp_path: Path) -> None:
    """
    At 1000 sockets at most 1.6, 0.8 and 0.2 times the reference's CPU with 1, 4 and 64 in flight, at the best of ten
    tries; half as much again where the reference itself costs now more, now less. 14 KB idle.
    """
    figures = tmp_path / "figures.json"
    run = benchmark("fanout", "--rounds", "1", "--tries", "10", "--idle", "5000", "--json", str(figures), timeout_s=590)
    if run.returncode == CANT_BE_MEASURED:
        pytest.skip(run.stdout.strip())
    assert run.returncode == 0, run.stdout + run.stderr
    assert set(json.loads(figures.read_text())) == {"ratio_1", "ratio_4", "ratio_64", "idle_kb"}


@pytest.mark.timeout(240)
def test_a_long_history_does_not_slow_the_opening_of_a_room() -> None:
    """A room with 100,000 entries opens within 1.2 times the time of one with 10."""
    run = benchmark("open_room", "--times", "40", "--tries", "5", timeout_s=230)
    assert run.returncode == 0, run.stdout + run.stderr


@needs_servers
@pytest.mark.timeout(240)
def test_an_idle_cluster_costs_next_to_nothing() -> None:
    """
    All parts of a cluster together take 3 % of one core at most while nobody is there, or no more than thirteen
    sentinels where those alone take more than they should.
    """
    run = benchmark("idle_cluster", "--seconds", "15", "--tries", "8", timeout_s=230)
    assert run.returncode == 0, run.stdout + run.stderr


@needs_servers
def test_a_cluster_starts_quickly(tmp_path: Path) -> None:
    """Redis and two replicas, three sentinels, three nodes and HAProxy are ready within five seconds, at best."""
    took_s = []
    for number in range(4):
        with Cluster(tmp_path / str(number)) as cluster:
            took_s.append(cluster.took_s)

    assert min(took_s) < START_S, took_s


@pytest.mark.timeout(120)
def test_posts_are_gathered_into_transactions() -> None:
    """Many posts at a time are stored several times as fast as one after the other."""
    run = benchmark("posts", "--seconds", "1", "--floor", "1000", timeout_s=110)
    assert run.returncode == 0, run.stdout + run.stderr
    single, *_, many = [
        float(line.split("in flight:")[1].split("/s")[0]) for line in run.stdout.splitlines() if "in flight" in line
    ]
    assert many > 2 * single, run.stdout


async def test_without_the_reference_nothing_is_measured(tmp_path: Path) -> None:
    """Said in a sentence, with the exit code that means so."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        ROOT / "benchmarks" / "fanout.py",
        env={**os.environ, "BENCH_REFERENCE": str(tmp_path)},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert (process.returncode, b"nothing measured" in said) == (CANT_BE_MEASURED, True)
