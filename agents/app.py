"""App: the Faust application of a worker, put together from its parts."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import faust
import structlog
from aiokafka.errors import KafkaError
from faust.types import TP

from agents import budgets
from agents.batches import Abandoned, Uncertain
from agents.delivery import Delivery
from agents.health import Health
from agents.lane import LaneConsumer, Run, after_rebalance, use_lane
from agents.metrics import Metrics
from agents.outbox import Outbox
from agents.partitioner import partition_of
from agents.pins import Pins
from agents.playbooks import Playbooks
from agents.recovery import Recovery
from agents.settings import Settings
from agents.standstill import REBALANCE_SECONDS, Progress
from agents.tables.memory import MemoryStore
from agents.tables.profiles import Profiles
from agents.tables.rocks import RocksStore
from agents.tables.scrubber import scrub_regularly
from agents.tables.store import ProfileStore
from agents.timers import Timers
from agents.touchpoints import TouchpointProcessor
from agents.transactions import Transactions
from schemas.errors import StateError

COMMIT_SECONDS = 1.0
"""How often offsets are committed: what a crash replays at most, and one request a second."""

RUNS_BUFFERED = 128
"""Runs waiting in memory before fetching pauses. A run is part of one fetch of 1 MiB, so that is the
most it can be: 128 MiB in all. Fewer would pause often, and Faust sleeps a second at each pause."""

RUNS_WAITING = 64
"""Runs out of the buffer that wait for their partition's turn; as part of a fetch each, 64 MiB at most."""

FINISH_SECONDS = 5.0
"""How long a rebalance or a stop waits for the runs in hand: half the usual session timeout."""

CANCEL_SECONDS = 2.0
"""How long a cancelled run may take to take back what it has handed over."""

BEGIN_SECONDS = 1.0
"""Pause before a broker that could not be asked is asked again."""

TICK_SECONDS = 0.1
"""How often to look for timers that are due: what it adds to their delay at most, and next to nothing."""

GRACE_MS = 200
"""How long after it is due a timer waits for touchpoints of before, in ms: a publisher may still be packing
them, or its clock run behind ours."""

TIMERS_AT_ONCE = 500
"""Customers whose timers fire in one go: a run of touchpoints behind them waits for some 20 ms."""

AGAIN_SECONDS = 0.2
"""Pause before touchpoints are read again: what made them fail may take a moment to pass, such as a
rebalance that the broker knows of and we don't."""

WATCH_SECONDS = 5.0
"""How often to look for touchpoints that were fetched and then never came: on a busy partition the next
run shows it at once, on one that falls silent nothing would."""

log = structlog.get_logger("dangol.worker")


class Done(NamedTuple):
    """How far a partition is.

    Attributes:
        epoch: the seek that it was read after.
        offset: of the last record.
    """

    epoch: int
    offset: int


class WorkerApp:
    """One life of a worker: from joining the group to leaving it, or to a crash.

    Args:
        settings: what it is told from outside.
        playbooks: what decides.
        partitions: how many partitions the topics have.
        metrics: what is counted.
        health: what is judged.
    """

    def __init__(
        self, settings: Settings, playbooks: Playbooks, partitions: int, metrics: Metrics, health: Health
    ) -> None:
        self._settings = settings
        self._playbooks = playbooks
        self._metrics = metrics
        self._health = health
        self._running: dict[int, asyncio.Task[None]] = {}
        self._waiting: dict[int, deque[Any]] = {}
        self._done: dict[int, Done] = {}
        self._held: set[int] = set()
        self._partitions = partitions
        self._taking = False
        self.progress = Progress()
        self._stopping = False
        self.was_ready = False
        self.failure: Exception | None = None
        self._crash: asyncio.Future[None] | None = None
        self._beginning: asyncio.Task[None] | None = None
        self._seeking: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._idle_since: float | None = None
        self._following: asyncio.Task[None] | None = None
        self._ticking: asyncio.Task[None] | None = None
        # On the event clock, time passes for a customer by the customer's own touchpoints only.
        self._timers = Timers() if settings.clock == "record" else None
        topics = settings.topics
        self._delivery = Delivery(
            settings.delivery,
            Outbox(settings.connection, f"{settings.group}-outbox", metrics),
            Transactions(settings.connection, settings.group, topics.touchpoints, metrics, self._confirm),
        )
        self._store = _new_store(settings)
        self._recovery = Recovery(settings.connection, topics.profiles, self._store, metrics)
        self._scrubbing: asyncio.Task[None] | None = None
        self._profiles = Profiles(self._store, metrics, self._timers)
        self._pins = Pins(playbooks, self._store, self._delivery, topics.profiles)
        self._processor = TouchpointProcessor(
            self._profiles,
            self._delivery,
            topics,
            settings.group,
            settings.clock,
            lambda key: partition_of(key, partitions),
            metrics,
        )
        self.faust = _new_faust(settings, partitions)
        use_lane(self.faust, settings.connection.addresses, {topics.touchpoints: partitions}, settings.batch)
        source = self.faust.topic(
            topics.touchpoints,
            key_type=bytes,
            value_type=bytes,
            key_serializer="raw",
            value_serializer="raw",
            partitions=partitions,
            allow_empty=True,
        )
        self.faust.agent(source, name="touchpoints")(self._consume)
        self.faust.on_partitions_revoked.connect(self._on_revoked, weak=False)
        after_rebalance(self.faust, self._on_rebalanced)

    @property
    def _consumer(self) -> LaneConsumer:
        consumer: LaneConsumer = self.faust.consumer  # type: ignore[assignment]
        return consumer

    async def start(self) -> None:
        """Connect, join the group and begin."""
        # First, so that nothing is decided by what is not in force any more.
        await self._playbooks.start()
        await self._delivery.start()
        await self.faust.start()
        self._watching = asyncio.create_task(self._watch())
        if self._timers is not None:
            self._ticking = asyncio.create_task(self._tick(self._timers))

    async def stop(self) -> None:
        """Finish the run in hand, commit, leave the group."""
        self._health.ready = self._taking = False
        mine = (
            self._watching,
            self._ticking,
            self._beginning,
            self._seeking,
            self._following,
            self._scrubbing,
        )
        tasks = [task for task in mine if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            # What they hold of the store has to be let go of before it is closed.
            await asyncio.wait(tasks, timeout=CANCEL_SECONDS)
        await self._playbooks.stop()
        await self._finish_runs()
        self._stopping = True
        await self.faust.stop()
        await self._delivery.stop()
        try:
            self._store.close()
        except StateError:
            # What failed before is told when this is over; most often it is the same disk.
            if self.failure is None:
                raise

    @property
    def loops(self) -> list[asyncio.AbstractEventLoop]:
        """The event loops that it lives in: this one, and that of Faust's consumer."""
        return [asyncio.get_running_loop(), self._consumer.thread.thread_loop]

    def refresh(self) -> None:
        """Bring gauges up to date before they are shown."""
        self._metrics.profiles.set(self._store.size())
        due = self._timers.earliest() if self._timers is not None else None
        self._metrics.timers_overdue.set(0.0 if due is None else max(_now() - due, 0) / 1000)
        budgets.show(
            self._playbooks.engine.ledgers,
            self._profiles,
            {tp.partition for tp in self._consumer.assignment()} if self._taking else (),
            lambda key: partition_of(key, self._partitions),
            _now(),
            self._metrics,
        )

    async def _consume(self, stream: Any) -> None:
        """Take runs as they come: those of a partition one behind the other, what waits together.

        While the broker acknowledges one partition's run, the next one's is computed.
        """
        self._idle_since = time.monotonic()
        async for event in stream.noack().events():
            self._idle_since = None
            await self._offer(event)
            self._idle_since = time.monotonic()

    async def _offer(self, event: Any) -> None:
        """Have a run wait for its turn; where too many wait already, wait as well."""
        partition = event.message.partition
        self._waiting.setdefault(partition, deque()).append(event)
        self._take_next(partition)
        while sum(map(len, self._waiting.values())) >= RUNS_WAITING:
            running = [task for task in self._running.values() if not task.done()]
            if running:
                await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            # Whoever has ended hands over only now.
            await asyncio.sleep(0)

    def _occupy(self, partition: int, work: Coroutine[Any, Any, None]) -> None:
        """Work for a partition, and take what waits when it is over."""
        task = asyncio.create_task(work)
        task.add_done_callback(lambda _: self._take_next(partition))
        self._running[partition] = task

    def _take_next(self, partition: int) -> None:
        """Take what waits, as one run, unless the one before is under way.

        On a broker whose transactions take as long as the next records need to come, runs of a record
        each would queue up; together they take hardly longer than one.
        """
        before = self._running.get(partition)
        if (before is None or before.done()) and (events := self._next_of(partition)):
            self._occupy(partition, self._take(partition, events))

    def _next_of(self, partition: int) -> list[Any]:
        """The runs that wait, as far as each follows the one before; what is to be read again is left out."""
        waiting = self._waiting.get(partition, deque())
        chain: list[Any] = []
        count = 0
        done = self._done.get(partition)
        while waiting:
            event = waiting[0]
            run: Run = event.message.value
            if not self._taking or run.epoch != self._consumer.epoch:
                # Read before a rebalance: it is read again, by us or by whoever has the partition then.
                waiting.popleft()
                continue
            count += len(run)
            if chain:
                if run.follows != chain[-1].message.value.last or count > self._settings.batch:
                    break
            elif run.follows != (done.offset if done is not None and done.epoch == run.epoch else None):
                # The one before failed, or was lost between the consumer and here: no later one will do.
                waiting.clear()
                self._seek_again(partition)
                return []
            chain.append(waiting.popleft())
        return chain

    async def _take(self, partition: int, events: Sequence[Any]) -> None:
        with self._at_work(partition, events[-1].message.generation_id) as keep_trying:
            done = self._done.get(partition)
            last: Run = events[-1].message.value
            # Read again because a later one was lost: what is done is done.
            left = [
                record
                for event in events
                for record in event.message.value
                if done is None or record.offset > done.offset
            ]
            for part in self._pins.split(partition, left) if left else ():
                # All before it is done, so timers that were due when it was written overtake nothing.
                until = min(part[0].timestamp, _now())
                await self._fire(partition, until, keep_trying)
                engine = await self._pins.engine_for(partition, part, until, keep_trying)
                await self._processor.process(engine, partition, part, keep_trying)
            self._done[partition] = Done(last.epoch, last.last)
            for event in events:
                event.ack()

    @contextmanager
    def _at_work(self, partition: int, generation: int) -> Iterator[Callable[[], bool]]:
        """Do something for a partition; gives what tells whether to keep trying."""

        def keep_trying() -> bool:
            self._health.progress()
            return not self._stopping and self._is_current(generation)

        self._health.working += 1
        self._health.progress()
        try:
            yield keep_trying
        except Abandoned:
            log.info("a run was left to the partition's next owner", partition=partition)
            if self._taking and self._is_current(generation):
                # That may be us: nobody else has it yet.
                self._seek_again(partition)
        except Exception as error:  # noqa: BLE001 - whatever it is, it stops the worker
            # State that can't be read or written, or a fault of ours: going on would lose updates.
            self._fail(error)
        finally:
            self._health.working -= 1
            self._health.progress()

    async def _tick(self, timers: Timers) -> None:
        """Fire timers where no touchpoint brings the time forward.

        A timer must not overtake a touchpoint that was written before it was due, and may call it off. So
        it fires only once everything was taken that was there `GRACE_MS` after it was due. On a partition
        that is behind it is the next run that fires what was due before its first record (`_take`), and a
        customer's own touchpoint what was due before that.
        """
        source = self._settings.topics.touchpoints
        while True:
            await asyncio.sleep(TICK_SECONDS)
            due = timers.partitions_due(_now() - GRACE_MS) if self._taking else []
            outdated = self._pins.outdated() if self._taking else []
            if not due and not outdated:
                continue
            try:
                asked = (TP(source, partition) for partition in {*due, *outdated})
                ends = await self._consumer.thread.ends(asked)
            except Exception as error:  # noqa: BLE001 - if the consumer has ended, others say so
                log.warning("can't tell where partitions end, asking again", reason=type(error).__name__)
                await asyncio.sleep(BEGIN_SECONDS)
                continue
            for tp, end in ends.items():
                is_behind = end.last is not None and self._done.get(tp.partition) != Done(end.epoch, end.last)
                running = self._running.get(tp.partition)
                if (
                    self._taking
                    and end.epoch == self._consumer.epoch
                    and not is_behind
                    and (running is None or running.done())
                ):
                    generation = self.faust.consumer_generation_id
                    self._occupy(tp.partition, self._fire_alone(tp.partition, end.at - GRACE_MS, generation))

    async def _fire_alone(self, partition: int, until: int, generation: int) -> None:
        with self._at_work(partition, generation) as keep_trying:
            await self._fire(partition, until, keep_trying)
            await self._pins.renew(partition, until, keep_trying)

    async def _fire(self, partition: int, until: int, keep_trying: Callable[[], bool]) -> None:
        """Fire all timers of a partition that are due at or before a time, in ms."""
        timers = self._timers
        if timers is None:
            return
        for pinned, bound in self._pins.timed(partition, until):
            while customers := timers.take_due(partition, bound, TIMERS_AT_ONCE):
                engine = await self._pins.engine_of(pinned)
                try:
                    await self._processor.fire(engine, partition, customers, bound, keep_trying)
                except Uncertain:
                    log.warning("an answer was lost: asking the changelog what it was", partition=partition)
                    await self._recovery.recover([partition], keep_trying)
                    self._profiles.forget()
                    timers.read(partition, customers, self._store)

    def _is_current(self, generation: int) -> bool:
        return bool(generation == self.faust.consumer_generation_id)

    async def _scrub(self) -> None:
        try:
            await scrub_regularly(self._store)
        except StateError as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """Stop taking runs, and crash the app with this error."""
        self._taking = False
        if self.failure is None:
            self.failure = error
            self._crash = asyncio.ensure_future(self.faust.crash(error))

    async def _finish_runs(self) -> None:
        """Let the runs in hand finish, for a while; those that don't are cancelled."""
        running = [task for task in self._running.values() if not task.done()]
        if not running:
            return
        _, late = await asyncio.wait(running, timeout=FINISH_SECONDS)
        if late:
            log.warning("runs did not finish in time and are left to the next owner", runs=len(late))
            # A cancelled run takes back what it has handed over: nothing of it may arrive behind the next
            # owner's writes.
            for task in late:
                task.cancel()
            await asyncio.wait(late, timeout=CANCEL_SECONDS)

    async def _on_revoked(self, *_: Any, **__: Any) -> None:
        self._health.ready = self._taking = False
        self.progress.taking(taking=False)
        self._consumer.thread.closed = True
        await self._finish_runs()
        # What is done is committed while the partitions are still ours, so that nobody takes it again.
        await self._consumer.commit()
        await self._delivery.close()

    def _on_rebalanced(self) -> None:
        if self._beginning is not None:
            self._beginning.cancel()
        self._beginning = asyncio.create_task(self._begin())

    async def _begin(self) -> None:
        """Take the assigned partitions over, recover their state, and take runs from where the group stands.

        In this order: once nobody else can write, what is read stays true.
        """
        generation = self.faust.consumer_generation_id
        self._taking = False
        self.progress.taking(taking=False)
        self._consumer.thread.closed = True
        self._profiles.forget()
        self._done.clear()
        self._waiting.clear()
        source = self._settings.topics.touchpoints
        assigned = {tp.partition for tp in self._consumer.assignment() if tp.topic == source}

        def keep_trying() -> bool:
            self.progress.moved()
            return not self._stopping and self.failure is None and self._is_current(generation)

        began = time.monotonic()
        try:
            await self._hold(set(range(self._partitions)) if self._settings.standby else assigned)
            await self._open(assigned, keep_trying)
            # Behind the opening, from where on nobody else can go on with them.
            ends = await self._ends(assigned, keep_trying)
            await self._recovery.recover(assigned, keep_trying)
            self._pins.begin(ends)
            if self._timers is not None:
                await self._timers.rebuild(assigned, self._store, keep_trying)
            seconds = time.monotonic() - began
            await self._seek(keep_trying)
        except Abandoned:
            log.info("nothing to begin with: the next rebalance has begun")
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, it stops the worker
            self._fail(error)
            return
        self._following = asyncio.create_task(self._follow(self._held - assigned))
        self._consumer.thread.transactional = self._delivery.transactional
        self._consumer.thread.closed = False
        self._taking = True
        self.progress.taking(taking=True)
        self._metrics.partitions.set(len(assigned))
        self._metrics.recovery_seconds.set(seconds)
        self._health.ready = self.was_ready = True
        if self._scrubbing is None:
            self._scrubbing = asyncio.create_task(self._scrub())
        log.info(
            "ready",
            partitions=sorted(assigned),
            profiles=self._store.size(),
            recovery_seconds=round(seconds, 3),
        )

    async def _hold(self, wanted: set[int]) -> None:
        """Have these partitions open in the store, and no others."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait({self._following})
        self._store.drop(self._held - wanted)
        for partition in sorted(wanted):
            self._store.open(partition)
        self._held = wanted

    async def _follow(self, partitions: set[int]) -> None:
        """Keep the state of others' partitions at hand, for when they become ours."""
        try:
            await self._recovery.follow(partitions)
        except Exception as error:  # noqa: BLE001 - whatever it is, it stops the worker
            self._fail(error)

    async def _open(self, partitions: set[int], keep_trying: Callable[[], bool]) -> None:
        while True:
            if not keep_trying():
                raise Abandoned
            try:
                return await self._delivery.open(partitions)
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning(
                    "taking over partitions failed, trying again",
                    reason=type(error).__name__,
                    retry_in_seconds=BEGIN_SECONDS,
                )
                await asyncio.sleep(BEGIN_SECONDS)

    async def _ends(self, partitions: set[int], keep_trying: Callable[[], bool]) -> dict[int, int]:
        """Where each partition of the touchpoints ends by now."""
        source = self._settings.topics.touchpoints
        while partitions:
            if not keep_trying():
                raise Abandoned
            try:
                ends = await self._consumer.highwaters(*(TP(source, partition) for partition in partitions))
            except (KafkaError, OSError, TimeoutError) as error:
                log.info("can't tell where partitions end, asking again", reason=type(error).__name__)
                await asyncio.sleep(BEGIN_SECONDS)
            else:
                return {tp.partition: end for tp, end in ends.items()}
        return {}

    async def _seek(self, keep_trying: Callable[[], bool]) -> None:
        """Read on from where the group stands; what was read before this is read again."""
        while self._consumer.assignment():
            if not keep_trying():
                raise Abandoned
            try:
                await self._consumer.perform_seek()
                return
            except (KafkaError, AssertionError) as error:
                log.info("seeking failed, trying again", reason=type(error).__name__)
                await asyncio.sleep(BEGIN_SECONDS)

    def _seek_again(self, partition: int) -> None:
        """Read again what never came, once for all partitions that wait for it."""
        if self._seeking is not None and not self._seeking.done():
            return
        log.info(
            "touchpoints were lost on the way from the consumer: reading them again", partition=partition
        )
        generation = self.faust.consumer_generation_id
        self._seeking = asyncio.create_task(
            self._seek_while(lambda: self._taking and self._is_current(generation))
        )

    async def _seek_while(self, keep_trying: Callable[[], bool]) -> None:
        await asyncio.sleep(AGAIN_SECONDS)
        with suppress(Abandoned):
            await self._seek(keep_trying)

    async def _watch(self) -> None:
        """Find touchpoints that were fetched and never came, where no later ones show it.

        Only while nothing else comes: what waits behind others is not lost.
        """
        before: dict[int, Done] = {}
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            idle = self._idle_since
            missing: dict[int, Done] = {}
            if self._taking and idle is not None and time.monotonic() - idle >= WATCH_SECONDS:
                missing = {
                    partition: fetched
                    for partition, fetched in self._fetched().items()
                    if self._done.get(partition) != fetched
                    and ((task := self._running.get(partition)) is None or task.done())
                }
            for partition, fetched in missing.items():
                if before.get(partition) == fetched:
                    self._seek_again(partition)
            before = missing

    def _fetched(self) -> dict[int, Done]:
        """What was fetched last, by partition."""
        thread = self._consumer.thread
        return {tp.partition: Done(thread.epoch, offset) for tp, offset in thread.fetched().items()}

    async def _confirm(self, partitions: Iterable[int]) -> dict[int, int | None]:
        source = self._settings.topics.touchpoints
        committed = await self._consumer.thread.confirm(TP(source, partition) for partition in partitions)
        return {tp.partition: offset for tp, offset in committed.items()}


def _now() -> int:
    return int(time.time() * 1000)


def _new_store(settings: Settings) -> ProfileStore:
    return RocksStore(settings.state / "profiles") if settings.store == "rocksdict" else MemoryStore()


def _new_faust(settings: Settings, partitions: int) -> faust.App:
    return faust.App(
        settings.group,
        broker=[f"kafka://{address}" for address in settings.connection.addresses],
        broker_credentials=settings.connection.credentials(),
        store="memory://",
        datadir=str(settings.state),
        topic_partitions=partitions,
        # Topics are made by `dangol topics create`, with the right settings, before a worker starts.
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=settings.instance,
        broker_session_timeout=settings.session_timeout,
        broker_heartbeat_interval=settings.session_timeout / 4,
        broker_rebalance_timeout=REBALANCE_SECONDS,
        broker_request_timeout=max(30.0, settings.session_timeout),
        broker_commit_interval=COMMIT_SECONDS,
        stream_buffer_maxsize=RUNS_BUFFERED,
        # A run is acked only when it is done, and a rebalance waits for it by itself (_on_revoked).
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        web_enabled=False,
        worker_redirect_stdouts=False,
        producer_linger=0,
    )
