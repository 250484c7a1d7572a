"""Works that wait, are late, given up, or sent again: the pipeline on a real server that is paused and killed."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from datchat.backends.redis import keys, pipeline
from datchat.backends.redis.batch import Act, Batch, Work
from datchat.backends.redis.pipeline import Pipeline
from datchat.backends.redis.tasks import Tasks
from datchat.backends.redis.topology import Server, Topology
from datchat.backends.redis.url import Access, Address
from datchat.errors import Indeterminate, Unavailable
from support.eventually import eventually
from support.redis_servers import HOST, RedisServer, redis_server

pytestmark = pytest.mark.timeout(60)


class Safety:
    """What the pipeline has said of its batches."""

    def __init__(self) -> None:
        self.copies: list[int] = []
        self.troubles: list[str] = []

    def acknowledged(self, master: Address, copies: int, degraded: bool) -> None:
        self.copies.append(copies)

    def struggling(self, reason: str) -> None:
        self.troubles.append(reason)


class Bench:
    """A pipeline on a server of its own."""

    def __init__(self, server: RedisServer, tasks: Tasks) -> None:
        rng = random.Random(1)
        self.server = server
        self.safety = Safety()
        self.topology = Topology(Server(Address(HOST, server.port), Access()), tasks, rng)
        self.pipeline = Pipeline(self.topology, self.safety, rng)

    def add(self, text: str, *, seconds: float = 10.0, writes: bool = True) -> asyncio.Future[Any]:
        """Append a word to a list, unless it stands there already; the answer is the list."""
        script = """
            if redis.call('LPOS', KEYS[1], ARGV[1]) == false then redis.call('RPUSH', KEYS[1], ARGV[1]) end
            return redis.call('LRANGE', KEYS[1], 0, -1)
        """
        until = asyncio.get_running_loop().time() + seconds
        work = Act(until, [("EVAL", script, 1, "words", text)], lambda replies: replies[0], writes=writes)
        self.pipeline.submit(work)
        return work.waiter


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path / "server") as server:
        yield server


@pytest.fixture
async def bench(server: RedisServer) -> AsyncIterator[Bench]:
    tasks = Tasks(random.Random(1))
    bench = Bench(server, tasks)
    await bench.topology.start()
    tasks.keep("pipeline", bench.pipeline.run)
    yield bench
    await tasks.stop()
    await asyncio.sleep(0)


async def test_works_are_answered(bench: Bench) -> None:
    """Each gets its own answer; the batch was on one server."""
    assert await bench.add("a") == [b"a"]
    assert await asyncio.gather(bench.add("b"), bench.add("c")) == [[b"a", b"b"], [b"a", b"b", b"c"]]
    assert set(bench.safety.copies) == {1}


async def test_a_batch_that_was_late_is_sent_again_in_its_order(bench: Bench) -> None:
    """A pause of a second is survived: nothing twice, nothing out of order, and what came later comes after."""
    await bench.add("a")
    bench.server.pause()
    early = [bench.add(text) for text in "bcd"]
    await eventually(lambda: bench.safety.troubles)
    late = bench.add("e")
    bench.server.unpause()
    await asyncio.gather(*early)
    assert await late == [b"a", b"b", b"c", b"d", b"e"]


async def test_batches_shrink_when_they_are_late(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What can't be done in time as a whole is done in parts, and the parts grow again."""
    sizes: list[int] = []
    take = pipeline.take

    def counting(waiting: deque[Work], most: int) -> tuple[list[Work], Batch]:
        works, batch = take(waiting, most)
        sizes.append(len(works))
        return works, batch

    monkeypatch.setattr(pipeline, "take", counting)
    await bench.add("a")
    sizes.clear()
    bench.server.pause()
    works = [bench.add(str(number)) for number in range(40)]
    await eventually(lambda: bench.safety.troubles)
    bench.server.unpause()
    answers = await asyncio.gather(*works)
    assert answers[-1] == [b"a", *(str(number).encode() for number in range(40))]
    assert sizes[0] == 40
    assert max(sizes[1:]) <= 20


@pytest.mark.parametrize(("writes", "kind"), [(True, Indeterminate), (False, Unavailable)])
async def test_what_was_sent_and_not_proved_is_indefinite(bench: Bench, writes: bool, kind: type[Exception]) -> None:
    """When its time is over nobody knows; unless it only read."""
    await bench.add("a")
    bench.server.pause()
    with pytest.raises(kind, match="does not answer"):
        await bench.add("b", seconds=1.0, writes=writes)


async def test_what_was_never_sent_is_definite(bench: Bench) -> None:
    """While there is no master nothing is sent, and nothing has happened."""
    await bench.add("a")
    bench.server.kill()
    bench.topology.doubt("the server was killed")
    with pytest.raises(Unavailable, match="can't be reached"):
        await bench.add("c", seconds=0.5)


async def test_who_has_gone_is_not_sent(bench: Bench) -> None:
    """A work that nobody waits for any more while it waits itself is dropped."""
    await bench.add("a")
    bench.server.pause()
    first = bench.add("b")
    await eventually(lambda: bench.safety.troubles)
    bench.add("c").cancel()
    bench.server.unpause()
    await first
    assert await bench.add("d") == [b"a", b"b", b"d"]


async def test_too_many_that_wait_are_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue has an end; who finds it full is told so at once."""
    monkeypatch.setattr(pipeline, "MAX_WAITING", 3)
    waiting = [bench.add(text) for text in "abc"]
    with pytest.raises(Unavailable, match="busy"):
        bench.add("d")
    await asyncio.gather(*waiting)


async def test_a_beat_that_was_removed_is_put_back(bench: Bench) -> None:
    """Without it nothing could be proved."""
    await bench.add("a")
    bench.server.ask("DEL", keys.BEAT)
    assert await bench.add("b") == [b"a", b"b"]
    assert bench.server.ask("TTL", keys.BEAT) > 86_400


async def test_closing_waits_for_what_is_under_way(bench: Bench) -> None:
    """Then nothing new is taken."""
    works = [bench.add(str(number)) for number in range(100)]
    await bench.pipeline.close()
    assert all(work.done() for work in works)
    with pytest.raises(Unavailable, match="closed"):
        bench.add("late")
