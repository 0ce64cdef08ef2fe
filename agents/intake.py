"""Intake: runs come out of the stream, each in its partition's turn, and none is missed.

While the broker acknowledges one partition's run, the next one's is computed. Runs of a partition that
wait are taken together: with runs of a record each, a broker that takes longer to acknowledge than the next
ones need to come would make them queue up.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Coroutine, Iterable
from typing import Any, Protocol

import structlog
from faust.types import TP

from agents.batches import Abandoned, Uncertain
from agents.health import Health
from agents.pipeline import Done, Means, Pipeline
from agents.reader import LaneReader
from agents.recovery import Recovery
from agents.runs import Run
from agents.timers import Timers

RUNS_WAITING = 64
"""Runs out of the buffer that wait for their partition's turn; as part of a fetch each, 64 MiB at most."""

FINISH_SECONDS = 5.0
"""How long a rebalance or a stop waits for the runs in hand: half the usual session timeout."""

CANCEL_SECONDS = 2.0
"""How long a cancelled run may take to take back what it has handed over."""

TICK_SECONDS = 0.1
"""How often to look for timers that are due: what it adds to their delay at most, and next to nothing."""

GRACE_MS = 200
"""How long after it is due a timer waits for touchpoints of before, in ms: a publisher may still be packing
them, or its clock run behind ours."""

ASK_AGAIN_SECONDS = 1.0
"""Pause before a consumer that could not tell where partitions end is asked again."""

WATCH_SECONDS = 5.0
"""How often to look for touchpoints that were fetched and then never came: on a busy partition the next
run shows it at once, on one that falls silent nothing would."""

log = structlog.get_logger("dangol.worker")


class Surroundings(Protocol):
    """What an intake needs to know of the app that it is in."""

    @property
    def reader(self) -> LaneReader:
        """What reads."""

    @property
    def generation(self) -> int:
        """Of the group, as far as this worker has heard."""

    def read_again(self) -> None:
        """Read on from where the group stands, soon."""

    def fail(self, error: Exception) -> None:
        """Crash with this error."""


class Intake:
    """Takes the runs of a worker's partitions.

    Args:
        source: the topic of the touchpoints.
        batch: records that may be taken together.
        means: what pipelines work with.
        recovery: reads state back.
        health: is told of progress.
        app: what it is in.

    Attributes:
        taking: whether runs are taken; not while a rebalance is under way.
    """

    def __init__(
        self,
        source: str,
        batch: int,
        means: Means,
        recovery: Recovery,
        health: Health,
        app: Surroundings,
    ) -> None:
        self.taking = False
        self._source = source
        self._batch = batch
        self._means = means
        self._recovery = recovery
        self._health = health
        self._app = app
        self._stopping = False
        self._waiting: dict[int, deque[Any]] = {}
        self._pipelines: dict[int, Pipeline] = {}
        self._deciding: dict[int, asyncio.Task[None]] = {}
        self._committing: dict[int, asyncio.Task[None]] = {}
        self._idle_since: float | None = None

    @property
    def waits_since(self) -> float | None:
        """Since when a partition waits for an answer of the broker, the longest; None where none does."""
        waits = [pipeline.waits_since for pipeline in self._pipelines.values()]
        return min((since for since in waits if since is not None), default=None)

    def halt(self) -> None:
        """Take no more runs."""
        self.taking = False

    def forget(self) -> None:
        """Forget what waits, and how far partitions are."""
        self.taking = False
        self._waiting.clear()
        for pipeline in self._pipelines.values():
            pipeline.break_off()
        self._pipelines.clear()
        self._means.profiles.forget()

    def begin(self, partitions: Iterable[int]) -> None:
        """Take runs of these partitions, from where the group stands."""
        self._pipelines = {partition: self._new_pipeline(partition) for partition in partitions}
        self.taking = True

    async def finish(self) -> None:
        """Let the runs in hand finish, for a while; those that don't are cancelled."""
        deadline = time.monotonic() + FINISH_SECONDS
        while running := self._running():
            for pipeline in self._pipelines.values():
                pipeline.hurry()
            # A run that is decided still has to be committed.
            await asyncio.wait(
                running,
                timeout=max(deadline - time.monotonic(), 0),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if time.monotonic() >= deadline and (running := self._running()):
                log.warning("runs did not finish in time and are left to the next owner", runs=len(running))
                # A cancelled run takes back what it has handed over: nothing of it may arrive behind the next
                # owner's writes.
                for pipeline in self._pipelines.values():
                    pipeline.break_off()
                for task in running:
                    task.cancel()
                await asyncio.wait(running, timeout=CANCEL_SECONDS)
                return

    async def stop(self) -> None:
        """Finish the runs in hand, and try nothing again."""
        self.taking = False
        await self.finish()
        self._stopping = True

    async def consume(self, stream: Any) -> None:
        """Take runs as they come: those of a partition one behind the other, what waits together."""
        self._idle_since = time.monotonic()
        async for event in stream.noack().events():
            self._idle_since = None
            await self._offer(event)
            self._idle_since = time.monotonic()

    async def tick(self, timers: Timers) -> None:
        """Fire timers where no touchpoint brings the time forward.

        A timer must not overtake a touchpoint that was written before it was due, and may call it off. So
        it fires only once everything was taken that was there `GRACE_MS` after it was due. On a partition
        that is behind it is the next run that fires what was due before its first record, and a customer's
        own touchpoint what was due before that.
        """
        while True:
            await asyncio.sleep(TICK_SECONDS)
            until = int(time.time() * 1000) - GRACE_MS
            due = timers.partitions_due(until, self._means.profiles.known) if self.taking else []
            outdated = self._means.pins.outdated() if self.taking else []
            if not due and not outdated:
                continue
            try:
                ends = self._app.reader.ends(TP(self._source, partition) for partition in {*due, *outdated})
            except Exception as error:  # noqa: BLE001 - if the consumer has ended, others say so
                log.warning("can't tell where partitions end, asking again", reason=type(error).__name__)
                await asyncio.sleep(ASK_AGAIN_SECONDS)
                continue
            for tp, end in ends.items():
                pipeline = self._pipelines.get(tp.partition)
                if not self.taking or end.epoch != self._app.reader.epoch or pipeline is None:
                    continue
                is_behind = end.last is not None and pipeline.decided != Done(end.epoch, end.last)
                if not is_behind and not self._is_deciding(tp.partition):
                    self._occupy(pipeline, _fire(pipeline, end.at - GRACE_MS))

    async def watch(self) -> None:
        """Find touchpoints that were fetched and never came, where no later ones show it.

        Only while nothing else comes: what waits behind others is not lost.
        """
        before: dict[int, Done] = {}
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            idle = self._idle_since
            missing: dict[int, Done] = {}
            if self.taking and idle is not None and time.monotonic() - idle >= WATCH_SECONDS:
                missing = {
                    partition: fetched
                    for partition, fetched in self._fetched().items()
                    if (pipeline := self._pipelines.get(partition)) is not None
                    and pipeline.decided != fetched
                    and not self._is_deciding(partition)
                }
            for partition, fetched in missing.items():
                if before.get(partition) == fetched:
                    self._read_again(partition)
            before = missing

    async def _offer(self, event: Any) -> None:
        """Have a run wait for its turn; where too many wait already, wait as well."""
        partition = event.message.partition
        self._waiting.setdefault(partition, deque()).append(event)
        self._take_next(partition)
        while sum(map(len, self._waiting.values())) >= RUNS_WAITING:
            deciding = [task for task in self._deciding.values() if not task.done()]
            if deciding:
                await asyncio.wait(deciding, return_when=asyncio.FIRST_COMPLETED)
            # Whoever has ended hands over only now.
            await asyncio.sleep(0)

    def _take_next(self, partition: int) -> None:
        """Take what waits, as one run, unless the one before is still being decided."""
        if not self._is_deciding(partition) and (events := self._next_of(partition)):
            pipeline = self._pipelines[partition]
            last: Run = events[-1].message.value
            run = [record for event in events for record in event.message.value]
            self._occupy(pipeline, pipeline.take(run, Done(last.epoch, last.last), events))

    def _next_of(self, partition: int) -> list[Any]:
        """The runs that wait, as far as each follows the one before; what is to be read again is left out."""
        waiting = self._waiting.get(partition, deque())
        pipeline = self._pipelines.get(partition)
        chain: list[Any] = []
        count = 0
        while waiting:
            event = waiting[0]
            run: Run = event.message.value
            if not self.taking or pipeline is None or pipeline.broken or run.epoch != self._app.reader.epoch:
                # Read before a rebalance: it is read again, by us or by whoever has the partition then.
                waiting.popleft()
                continue
            count += len(run)
            done = pipeline.decided
            if chain:
                if run.follows != chain[-1].message.value.last or count > self._batch:
                    break
            elif run.follows != (done.offset if done is not None and done.epoch == run.epoch else None):
                # The one before failed, or was lost between the consumer and here: no later one will do.
                waiting.clear()
                self._read_again(partition)
                return []
            chain.append(waiting.popleft())
        return chain

    def _new_pipeline(self, partition: int, done: Done | None = None) -> Pipeline:
        generation = self._app.generation

        def keep_trying() -> bool:
            self._health.progress()
            return not self._stopping and self._app.generation == generation

        return Pipeline(
            partition,
            self._means,
            self._batch,
            keep_trying,
            lambda: self._commit_next(partition),
            done,
        )

    def _commit_next(self, partition: int) -> None:
        """Commit what is decided, unless what was before is still being committed."""
        task, pipeline = self._committing.get(partition), self._pipelines.get(partition)
        if (task is None or task.done()) and pipeline is not None and pipeline.has_decided:
            task = asyncio.create_task(self._at_work(pipeline, pipeline.commit()))
            task.add_done_callback(lambda _: self._commit_next(partition))
            self._committing[partition] = task

    def _occupy(self, pipeline: Pipeline, work: Coroutine[Any, Any, None]) -> None:
        """Decide something, and take what waits when that is over."""
        partition = pipeline.partition
        task = asyncio.create_task(self._at_work(pipeline, work))
        task.add_done_callback(lambda _: self._take_next(partition))
        self._deciding[partition] = task

    async def _at_work(self, pipeline: Pipeline, work: Coroutine[Any, Any, None]) -> None:
        """Do something for a partition; what becomes of it when that fails."""
        self._health.working += 1
        self._health.progress()
        try:
            await self._or_anew(pipeline, work)
        except Exception as error:  # noqa: BLE001 - whatever it is, it stops the worker
            # State that can't be read or written, or a fault of ours: going on would lose updates.
            self._app.fail(error)
        finally:
            self._health.working -= 1
            self._health.progress()

    async def _or_anew(self, pipeline: Pipeline, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Abandoned:
            if not pipeline.broken:
                pipeline.break_off()
                log.info("a run was left to the partition's next owner", partition=pipeline.partition)
                self._begin_anew(pipeline)
        except Uncertain:
            pipeline.break_off()
            await self._ask_changelog(pipeline)
        except BaseException:
            pipeline.break_off()
            raise

    async def _ask_changelog(self, pipeline: Pipeline) -> None:
        """What came of a commit whose answer was lost, and go on from there."""
        partition = pipeline.partition
        log.warning("an answer was lost: asking the changelog what it was", partition=partition)
        try:
            await self._recovery.recover([partition], pipeline.still_ours)
            self._means.profiles.forget(partition)
        except Abandoned:
            log.info("the answer is the partition's next owner's to find", partition=partition)
        else:
            self._begin_anew(pipeline)

    def _begin_anew(self, pipeline: Pipeline) -> None:
        """Take what was given up once more, where it is still ours: nobody else has it yet."""
        partition = pipeline.partition
        if self.taking and self._pipelines.get(partition) is pipeline and pipeline.still_ours():
            pipeline.find_timers()
            self._pipelines[partition] = self._new_pipeline(partition, pipeline.done)
            self._read_again(partition)

    def _read_again(self, partition: int) -> None:
        log.info("touchpoints were lost on the way: reading them again", partition=partition)
        self._app.read_again()

    def _is_deciding(self, partition: int) -> bool:
        task = self._deciding.get(partition)
        return task is not None and not task.done()

    def _running(self) -> list[asyncio.Task[None]]:
        return [
            task for tasks in (self._deciding, self._committing) for task in tasks.values() if not task.done()
        ]

    def _fetched(self) -> dict[int, Done]:
        """What was fetched last, by partition."""
        reader = self._app.reader
        return {tp.partition: Done(reader.epoch, offset) for tp, offset in reader.fetched().items()}


async def _fire(pipeline: Pipeline, until: int) -> None:
    await pipeline.fire(until)
    await pipeline.renew(until)
