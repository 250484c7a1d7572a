"""One drill, from the arrival of its people to its verdict: things break, everything settles, the log is read."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from typing import Final

from datchat.client import ClientFailure
from datchat.client.clock import boottime
from datchat.drills import checkers, happenings
from datchat.drills.account import Record, account
from datchat.drills.checkers import Judgement, Verdict
from datchat.drills.circumstances import Circumstances, Sample
from datchat.drills.result import Result
from datchat.drills.scenarios import Scenario
from datchat.drills.series import Series, series
from datchat.drills.stage import Stage, Unhealed
from datchat.drills.targets import Target, TargetError
from datchat.drills.workload.crowd import Crowd, Size
from datchat.drills.workload.datchat import DatChat
from datchat.drills.workload.workload import Workload

TALK: Final = "people talk"
CALM_S: Final = 2.0
"""How long people talk before anything is broken, and after all is whole again."""
TALK_S: Final = 60.0
"""How long it may take until somebody talks and somebody listens."""
SETTLE_S: Final = 60.0
"""How long what is under way at the end may take."""
SAMPLE_S: Final = 1.0


@dataclass(frozen=True, kw_only=True)
class Order:
    """What was asked for, besides the scenario."""

    seed: int
    size: Size
    lasts_s: float | None = None
    """How long people use the chat at least; None: as the scenario says."""
    ack: str = "all"
    command: str = ""


class Drill:
    """One drill. What happens can be watched while ``run`` runs."""

    def __init__(self, scenario: Scenario, target: Target, order: Order, workload: Workload | None = None) -> None:
        """The people are Dat Chat's where no other ``workload`` is given."""
        self.scenario = scenario
        self.order = order
        self.lasts_s = order.lasts_s or scenario.lasts_s
        self._workload = workload or DatChat()
        self.record = Record(
            scenario=scenario.name,
            system=self._workload.system,
            seed=order.seed,
            target=target.name,
            ack=order.ack,
            clients=order.size.clients,
            rate=order.size.rate,
            command=order.command,
            versions={**target.versions, **self._workload.versions},
            began=boottime(),
            wall_began=time.time(),
            around=Circumstances(silence_limit_s=scenario.silence_s),
        )
        self.series: Series | None = None
        self._phase = "people arrive"
        self._target = target
        self._stage: Stage | None = None
        self._unknown: dict[str, str] = {}
        self._looks = 0
        self._missed: list[str] = []
        """Why looks at what nodes take came to nothing."""

    @property
    def doing(self) -> str:
        """What goes on now."""
        return self._stage.doing if self._stage is not None and self._phase == TALK else self._phase

    async def run(self) -> Result:
        """
        Play the scenario and judge it. Whatever goes wrong in the drill itself makes the verdict unknown.
        """
        record = self.record
        try:
            await self._play()
        except (TargetError, ClientFailure, TimeoutError) as error:
            self._unknown["drill"] = f"{type(error).__name__}: {error}"
        record.ended = boottime()
        await self._hear_parts()
        self._phase = "judging"
        judgement = await asyncio.to_thread(self._judge)
        self.series = series(record.history, record.around, record.began, record.ended)
        return account(record, judgement, self._workload.counts(record.history))

    # The play

    async def _play(self) -> None:
        crowd = await self._gather()
        self._stage = stage = Stage(self._target, crowd, random.Random(f"{self.order.seed} faults"), self.lasts_s)
        watch = asyncio.create_task(self._sample(), name="sample")
        try:
            await self._workload.let_in(crowd, self.lasts_s)
            stage.more_readers = lambda count: crowd.begin("storm", self._workload.let_more_in(crowd, count))
            await self._until_everybody_talks(crowd)
            self._phase = TALK
            self.record.around.load_from = boottime()
            await self._break(stage)
            self.record.around.load_until = boottime()
            await self._settle(crowd)
        finally:
            self._phase = "people leave"
            await crowd.disperse()
            if crowd.crashes:
                self._unknown["workload"] = "; ".join(crowd.crashes[:5])
            await asyncio.sleep(SAMPLE_S)  # for the last sample, after everybody has left
            watch.cancel()
            await asyncio.wait([watch])
            if not watch.cancelled() and (error := watch.exception()) is not None:
                self._unknown["samples"] = f"{type(error).__name__}: {error}"
            elif (reason := self._hardly_sampled()) is not None:
                self._unknown["samples"] = reason
            await self._take_samples()

    async def _gather(self) -> Crowd:
        nodes = sorted(part.name for part in await self._target.parts() if part.kind == "web")
        doors = [await self._target.door(node) for node in nodes]
        return Crowd(
            self.order.size,
            self._target.url,
            doors,
            self._workload.rooms(),
            self.order.seed,
            self.record.history,
            self.record.around,
            settle_s=SETTLE_S,
        )

    async def _until_everybody_talks(self, crowd: Crowd) -> None:
        async with asyncio.timeout(TALK_S):
            while not self.record.history.acknowledged() or not crowd.reading:
                if crowd.crashes:
                    raise TargetError(f"somebody can't take part: {crowd.crashes[0]}")
                await asyncio.sleep(0.05)

    async def _break(self, stage: Stage) -> None:
        # One that has hardly got over something else, as a failover by hand, would bear two faults at once.
        try:
            await stage.whole()
        except Unhealed as error:
            raise TargetError(f"nothing was broken: {error}") from error
        await stage.hold(CALM_S)
        try:
            await self.scenario.steps(stage)
            await stage.whole()
        except Unhealed as error:
            self.record.around.unhealed = str(error)
        await stage.hold(max(CALM_S, stage.left_s))

    async def _settle(self, crowd: Crowd) -> None:
        self._phase = "settling"
        crowd.stopping.set()
        if not await crowd.quiet(SETTLE_S + 5):
            self._unknown["settling"] = f"{', '.join(sorted(crowd.posting))} had no answer after {SETTLE_S:g} s"
        self._phase = "reading the log"
        for room in crowd.rooms:
            await self._workload.read_log(crowd, room)
        # Whoever is not level in time has missed something: the judge will say what.
        await self._workload.level(crowd)
        self.record.history.stayed |= crowd.reading

    # Beside it

    async def _sample(self) -> None:
        while True:
            self._looks += 1
            try:
                await self._take_samples()
            except TargetError as error:
                # Whoever is asked may have gone with a host: a swarm's managers are without a leader for some seconds.
                self._missed.append(str(error))
            await asyncio.sleep(SAMPLE_S)

    def _hardly_sampled(self) -> str | None:
        """Why more than half of the looks came to nothing; None when they did not."""
        return self._missed[0] if 2 * len(self._missed) > self._looks else None

    async def _take_samples(self) -> None:
        for part in await self._target.parts():
            if part.kind == "web" and (usage := await self._target.usage(part.name)) is not None:
                self.record.around.samples.append(Sample(boottime(), part.name, *usage))

    async def _hear_parts(self) -> None:
        try:
            parts = await self._target.parts()
        except TargetError as error:
            self._unknown.setdefault("drill", str(error))
            return
        for part in parts:
            try:
                log = await self._target.log(part.name)
            except TargetError as error:
                self._unknown.setdefault("drill", str(error))
                continue
            if part.kind == "sentinel":
                self.record.lines += happenings.of_sentinel(part.name, log)
            elif part.kind == "web":
                self.record.lines += happenings.of_node(part.name, log)
        # A part whose clock was moved says what it says at another time.
        since, until = self.record.wall_began - 1, time.time() + 1
        self.record.lines = sorted(line for line in self.record.lines if since <= line.at <= until)

    # The judgement

    def _judge(self) -> Judgement:
        judgement = checkers.judge(self.record.history, self._workload.checkers(self.record.around))
        unknown = {**judgement.unknown, **self._unknown}
        verdict = judgement.verdict
        if unknown and verdict is Verdict.VALID:
            verdict = Verdict.UNKNOWN
        return Judgement(verdict, judgement.faults, unknown)
