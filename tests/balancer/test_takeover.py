"""
Two HAProxies with keepalived share an address; one is killed, hung, cut off. Real clients post through the address and
listen to it all the while: everybody is back soon, one host at most holds the address, nothing acknowledged is lost.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from statistics import median

import pytest

from balancer.faults import FAULTS, Fault
from balancer.watch import Holders, Listener, all_back
from datchat.drills.checkers import Verdict
from support.balancers import Pair, needs_keepalived
from support.clusters import needs_root, needs_servers
from support.crowd import OPTIONS, Crowd, crowd
from support.eventually import eventually
from support.people import fresh

pytestmark = [needs_servers, needs_root, needs_keepalived, pytest.mark.timeout(600)]

TIMES = int(os.environ.get("TAKEOVER_TIMES", "1"))
"""How often each; 10 for the figures in docs/deploy/load-balancer.md."""
SLACK = 1 if TIMES >= 10 else 3
"""One sample on a machine that is busy with other tests says little more than that it goes on at all."""
BACK_S = 3.0 * SLACK
"""After how long everybody is back."""
POSTING = 8
LISTENING = 8
RATE = 80


async def befall(fault: Fault, balancers: Pair, people: Crowd, listeners: list[Listener]) -> dict[str, float]:
    """Let it happen to the holder, wait until everybody is back through the other one, and mend it; the times."""
    await balancers.whole()
    await people.goes_on(people.now(), more=RATE)
    struck = balancers.holder()
    other = balancers.other(struck)
    names = [member.name for member in people.members]
    async with Holders(balancers) as holders:
        at = people.now()
        fault.strike(balancers, struck)
        moved_at = await eventually(lambda: holders.moved_at(other.name), 20, balancers.describe)
        # What is posted from then on can only be stored through the other one.
        posting_s, listening_s = await asyncio.gather(
            people.each_goes_on(moved_at, names, 20), all_back(listeners, at, 20)
        )
        posting_s += moved_at - at
        await eventually(lambda: balancers.holders() == [other], SLACK * fault.alone_s, balancers.describe)
        two_s = max(0.0, holders.two_until() - moved_at)
    fault.mend(balancers, struck)
    await balancers.whole()
    calm_at = at + max(posting_s, listening_s) + OPTIONS.stable_s
    if TIMES > 1:  # or clients would begin the next time with the longer pauses of this one
        await eventually(lambda: people.now() > calm_at, 20)
    return {"moved": moved_at - at, "two": two_s, "posting": posting_s, "listening": listening_s}


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
async def test_the_address_moves_and_everybody_follows(balancers: Pair, fault: Fault) -> None:
    """Those who post and those who only listen are back in time; never two holders for long; nothing is lost."""
    async with AsyncExitStack() as stack:
        people = await stack.enter_async_context(crowd(balancers.url, POSTING, [fresh("den")]))
        listeners = [Listener(balancers.url, people.token) for _ in range(LISTENING)]
        for listener in listeners:
            await stack.enter_async_context(listener.chat)
        people.post(RATE)
        times = [await befall(fault, balancers, people, listeners) for _ in range(TIMES)]
        judgement = await people.finish()

    for what in times[0]:
        took = [time[what] for time in times]
        print(f"{fault.name:20} {what:10} {min(took):6.2f} {median(took):6.2f} {max(took):6.2f}")
    assert judgement.verdict is Verdict.VALID, judgement
    late = {what: time[what] for time in times for what in ("posting", "listening") if time[what] > BACK_S}
    assert late == {}, balancers.describe()
