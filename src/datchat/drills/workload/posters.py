"""Those who post: with many in flight, over sockets and over plain HTTP."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Final

import httpx
import msgspec

from datchat.chat import wire
from datchat.chat.model import RoomId
from datchat.client import Client, ClientFailure, OutboxFull, Refused, Stored, Unconfirmed
from datchat.client.clock import boottime
from datchat.drills.history import Recorder
from datchat.drills.workload.crowd import Crowd
from datchat.drills.workload.people import Person
from datchat.drills.workload.readers import Reading

EDITS, REACTIONS, DELETIONS, BURSTS = 0.08, 0.16, 0.18, 0.22
"""Of all that is done, up to which share it is an edit, a reaction, a deletion, a burst; the rest are single posts."""
BURST: Final = 6
EMOJI: Final = ("👍", "🎉", "❤️", "🤔")
HTTP_S: Final = 12.0
"""How long an HTTP request may take: the server's own deadline for a post is 10 s."""


async def post(crowd: Crowd, person: Person, urls: Sequence[str], rate: float) -> None:
    """Post, edit, react and delete in every room, without waiting for answers; read everything meanwhile."""
    rng = crowd.rng(person.name)
    async with crowd.connect(person.name, urls, person.token) as chat:
        reading = Reading(crowd, person.name, chat)
        try:
            await reading.join(crowd.rooms)
            crowd.posting.add(person.name)
            count = 0
            while not crowd.stopping.is_set():
                await crowd.wait(rng.expovariate(rate * crowd.haste))
                for command in _commands(crowd, reading, chat, person, rng, count):
                    count += 1
                    try:
                        chat.submit(command)
                    except OutboxFull:
                        break  # as a person whose page says so: nothing was taken, nothing is known to be lost
            await chat.flush(crowd.settle_s)
            crowd.posting.discard(person.name)
            await crowd.over.wait()
        finally:
            crowd.posting.discard(person.name)
            await reading.close()


def _commands(
    crowd: Crowd, reading: Reading, chat: Client, person: Person, rng: random.Random, count: int
) -> list[wire.Posting]:
    room = RoomId(rng.choice(list(crowd.rooms)))
    share = rng.random()
    me = chat.user.id if chat.user is not None else ""
    recent = list(reading.recent[room])
    own = [offset for offset, author in recent if author == me]
    if share < EDITS and own:
        text = f"{person.name} edits {count}"
        return [wire.Edit(room=room, nonce=chat.nonce(), target=rng.choice(own), text=text)]
    if share < REACTIONS and recent:
        target, emoji = rng.choice(recent)[0], rng.choice(EMOJI)
        return [wire.React(room=room, nonce=chat.nonce(), target=target, emoji=emoji, on=rng.random() < 0.8)]
    if share < DELETIONS and own:
        return [wire.Delete(room=room, nonce=chat.nonce(), target=rng.choice(own))]
    posts = BURST if share < BURSTS else 1
    return [
        wire.Post(room=room, nonce=chat.nonce(), text=f"{person.name} says {count + number}") for number in range(posts)
    ]


async def post_over_http(crowd: Crowd, person: Person, url: str, rate: float) -> None:
    """Post by plain HTTP, one after the other; what is not answered is asked again with the same nonce."""
    rng = crowd.rng(person.name)
    recorder = crowd.history.recorder(person.name)
    headers = {"Authorization": f"Bearer {person.token}"}
    # No connection is kept: one that a dead balancer left behind would fail a request that was never sent.
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=HTTP_S, trust_env=False, limits=limits) as http:
        crowd.posting.add(person.name)
        count = 0
        try:
            while not crowd.stopping.is_set():
                await crowd.wait(rng.expovariate(rate * crowd.haste))
                nonce = f"{rng.getrandbits(128):032x}"
                room = RoomId(rng.choice(list(crowd.rooms)))
                command = wire.Post(room=room, nonce=nonce, text=f"{person.name} says {count}")
                count += 1
                await _see_through(crowd, http, recorder, command)
        finally:
            crowd.posting.discard(person.name)


async def _see_through(crowd: Crowd, http: httpx.AsyncClient, recorder: Recorder, command: wire.Post) -> None:
    first = boottime()
    recorder.invoked(first, command)
    outcome: Stored | ClientFailure = Unconfirmed("given up when the drill ended")
    try:
        uncertain = False
        stopped_at: float | None = None
        while True:
            age_ms = int((boottime() - first) * 1000)
            answer = await _ask(http, command, age_ms)
            if isinstance(answer, Stored):
                outcome = answer
                return
            if isinstance(answer, Refused):
                outcome = Unconfirmed(str(answer)) if uncertain else answer
                return
            uncertain = uncertain or answer
            if crowd.stopping.is_set():
                stopped_at = stopped_at or boottime()
                if boottime() - stopped_at > crowd.settle_s:
                    return
            await asyncio.sleep(0.1)
    finally:
        recorder.completed(boottime(), command, outcome)


async def _ask(http: httpx.AsyncClient, command: wire.Post, age_ms: int) -> Stored | Refused | bool:
    """One try: how it ended; or, when it has to be tried again, whether it may have been stored."""
    body = {"nonce": command.nonce, "text": command.text, "age_ms": age_ms}
    try:
        answer = await http.post(f"/api/v1/rooms/{command.room}/entries", json=body)
    except httpx.HTTPError as error:
        return not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
    try:
        if answer.is_success:
            return msgspec.json.decode(b'{"type":"stored",' + answer.content.lstrip()[1:], type=Stored)
        problem = msgspec.json.decode(answer.content, type=_Problem)
    except msgspec.DecodeError:
        return True  # a proxy's own page: it may have sent the request on
    if answer.status_code == 429:
        return False
    if answer.status_code >= 500:
        return True
    return Refused(problem.code, problem.message)


class _Problem(msgspec.Struct):
    code: str
    message: str = ""
