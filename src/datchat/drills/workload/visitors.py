"""Those who sign up, say something, sign out, and then try their dead session again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final

from datchat.client import Api, Client, ClientFailure, Ended, Refused, Room, Unreachable
from datchat.client.clock import boottime
from datchat.drills.circumstances import Attempt, DeadSession
from datchat.drills.waiting import comes_true
from datchat.drills.workload.crowd import Crowd
from datchat.drills.workload.people import arrive

BETWEEN_S: Final = (0.5, 2.5)
SAY_S: Final = 15.0
"""How long a visitor waits for the answer to what was said."""
CLOSE_S: Final = 15.0
"""How long the socket of an ended session may stay open: a node looks every 5 s, and a failover takes its time."""
OPEN_S: Final = 5.0


async def visit_often(crowd: Crowd, name: str, doors: Sequence[str]) -> None:
    """One visitor after the other, each an account of its own, on one node after the other."""
    rng = crowd.rng(name)
    count = 0
    while not crowd.stopping.is_set():
        count += 1
        # A node that is down lets nobody in; what was said before is in the history.
        with contextlib.suppress(ClientFailure, TimeoutError):
            await _visit(crowd, f"{name}-{count}", doors[count % len(doors)], doors[(count + 1) % len(doors)])
        await crowd.wait(rng.uniform(*BETWEEN_S))


async def _visit(crowd: Crowd, name: str, here: str, elsewhere: str) -> None:
    async with Api(here, timeout_s=SAY_S) as api, Api(elsewhere, timeout_s=OPEN_S) as other:
        async with asyncio.timeout(2 * SAY_S):
            person = await arrive(api, name)
        if crowd.stopping.is_set():
            return  # the log is being read: whatever is said now would be missing in it
        crowd.posting.add(name)
        try:
            await _stay(crowd, name, person.token, here, api, elsewhere, other)
        finally:
            crowd.posting.discard(name)


async def _stay(crowd: Crowd, name: str, token: str, here: str, api: Api, elsewhere: str, other: Api) -> None:
    async with asyncio.timeout(4 * SAY_S), crowd.connect(name, here, token) as chat:
        room = await chat.join(crowd.rng(name).choice(list(crowd.rooms)))
        reader = asyncio.create_task(_look(crowd, name, room), name=name)
        try:
            async with asyncio.timeout(SAY_S):
                await room.post(f"{name} says hello")
            crowd.posting.discard(name)
            ended_at = await _sign_out(api, token)
            if ended_at is not None:
                crowd.around.dead.append(DeadSession(name, ended_at))
                await _try_again(crowd, name, token, elsewhere, other)
                await _see_it_closed(crowd, name, chat)
        finally:
            reader.cancel()
            await asyncio.wait([reader])


async def _look(crowd: Crowd, name: str, room: Room) -> None:
    try:
        async for _ in room:
            pass
    except Ended:
        pass  # as it should be
    except ClientFailure as error:
        crowd.contradicted(name, error)


async def _sign_out(api: Api, token: str) -> float | None:
    """End the session; when it was ended, or None when nobody confirmed it in time."""
    tried = False
    deadline = boottime() + SAY_S
    while boottime() < deadline:
        try:
            await api.sign_out(token)
        except Refused as refusal:
            if refusal.code == "unauthenticated":
                # By an earlier try whose answer was lost; or never known here, and then nothing was ended.
                return boottime() if tried else None
            tried = True
        except Unreachable:
            tried = True
        else:
            return boottime()
        await asyncio.sleep(0.2)
    return None


async def _try_again(crowd: Crowd, name: str, token: str, url: str, api: Api) -> None:
    """Knock with a dead session at another node: at the API and at the socket."""
    began = boottime()
    admitted: bool | None = None
    try:
        await api.me(token)
        admitted = True
    except Refused as refusal:
        admitted = False if refusal.code == "unauthenticated" else None
    except Unreachable:
        pass
    crowd.around.attempts.append(Attempt(name, began, "the API", admitted))
    began, admitted = boottime(), None
    try:
        async with asyncio.timeout(OPEN_S), Client(url, token):
            admitted = True
    except Ended:
        admitted = False
    except (ClientFailure, TimeoutError):
        pass
    crowd.around.attempts.append(Attempt(name, began, "a socket", admitted))


async def _see_it_closed(crowd: Crowd, name: str, chat: Client) -> None:
    """The socket that was open at the end of its session has to be closed."""
    if not await comes_true(lambda: chat.failure is not None or not chat.connected or crowd.over.is_set(), CLOSE_S):
        crowd.around.attempts.append(Attempt(name, boottime(), "the socket that was open", True))
