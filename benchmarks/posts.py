#!/usr/bin/env python3
"""
Posts acknowledged a second, and how long one takes, through the whole of a node: socket, store with its fsync, answer.

With 1 in flight it is the disk that is measured; with many, the group commit.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time

import uvloop
from serve import Served, served

from datchat.chat import wire
from datchat.chat.model import RoomId
from datchat.client import Client, Options


async def post(server: Served, clients: int, window: int, seconds: float) -> tuple[float, list[float]]:
    """Let each client keep ``window`` posts in flight; acknowledgements a second, and what each took, in ms."""
    took: list[float] = []
    until = time.perf_counter() + seconds

    async def talk(chat: Client) -> None:
        while (began := time.perf_counter()) < until:
            text = "hello there everyone, this is a chat message of the usual length"
            await chat.submit(wire.Post(room=RoomId("lobby"), nonce=chat.nonce(), text=text))
            took.append((time.perf_counter() - began) * 1e3)

    async def keep(number: int) -> None:
        async with Client(server.url, server.token, options=Options(window=window)) as chat:
            await asyncio.gather(*[talk(chat) for _ in range(window)])

    began = time.perf_counter()
    await asyncio.gather(*[keep(number) for number in range(clients)])
    return len(took) / (time.perf_counter() - began), took


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3, help="how long each is measured [3]")
    parser.add_argument("--check", action="store_true", help="exit with 1 below --floor")
    parser.add_argument("--floor", type=float, default=2000, help="acknowledgements a second that are asked for [2000]")
    options = parser.parse_args()
    best = 0.0
    with served() as server, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for clients, window in ((1, 1), (1, 16), (4, 64), (16, 64)):
            rate, took = runner.run(post(server, clients, window, options.seconds))
            best = max(best, rate)
            centiles = statistics.quantiles(took, n=100)
            print(
                f"{clients * window:5} in flight: {rate:8.0f}/s  p50 {centiles[49]:.2f} ms  p99 {centiles[98]:.2f} ms"
            )
    return int(options.check and best < options.floor)


if __name__ == "__main__":
    sys.exit(main())
