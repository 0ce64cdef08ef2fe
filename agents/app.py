"""App: the Faust application of a worker, put together from its parts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import faust
import structlog
from aiokafka.errors import KafkaError
from faust.types import TP

from agents import budgets
from agents.batches import Abandoned
from agents.delivery import Delivery
from agents.health import Health
from agents.intake import CANCEL_SECONDS, Intake
from agents.lane import LaneConsumer, after_rebalance, use_lane
from agents.metrics import Metrics
from agents.outbox import Outbox
from agents.partitioner import partition_of
from agents.pins import Pins
from agents.pipeline import Means
from agents.playbooks import Playbooks
from agents.reader import LaneReader
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

BEGIN_SECONDS = 1.0
"""Pause before a broker that could not be asked is asked again."""

AGAIN_SECONDS = 0.2
"""Pause before touchpoints are read again: what made them fail may take a moment to pass, such as a
rebalance that the broker knows of and we don't."""

log = structlog.get_logger("dangol.worker")


class WorkerApp:
    """One life of a worker: from joining the group to leaving it, or to a crash.

    Args:
        settings: what it is told from outside.
        playbooks: what decides.
        partitions: how many partitions the topics have.
        metrics: what is counted.
        health: what is judged.

    Attributes:
        partitions: how many the topics have.
        progress: when something moved last.
        was_ready: whether it has taken touchpoints at all.
        failure: what it has crashed with.
    """

    def __init__(
        self, settings: Settings, playbooks: Playbooks, partitions: int, metrics: Metrics, health: Health
    ) -> None:
        self._settings = settings
        self._playbooks = playbooks
        self._metrics = metrics
        self._health = health
        self._held: set[int] = set()
        self.partitions = partitions
        self.progress = Progress(lambda: self._intake.waits_since)
        self._stopping = False
        self.was_ready = False
        self.failure: Exception | None = None
        self._crash: asyncio.Future[None] | None = None
        self._beginning: asyncio.Task[None] | None = None
        self._seeking: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
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
        processor = TouchpointProcessor(
            self._profiles,
            self._delivery,
            topics,
            settings.group,
            settings.clock,
            lambda key: partition_of(key, partitions),
            metrics,
        )
        self._intake = Intake(
            topics.touchpoints,
            settings.batch,
            Means(processor, self._pins, self._profiles, self._timers),
            self._recovery,
            health,
            self,
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
        self.faust.agent(source, name="touchpoints")(self._intake.consume)
        self.faust.on_partitions_revoked.connect(self._on_revoked, weak=False)
        after_rebalance(self.faust, self._on_rebalanced)

    @property
    def _consumer(self) -> LaneConsumer:
        consumer: LaneConsumer = self.faust.consumer  # type: ignore[assignment]
        return consumer

    @property
    def reader(self) -> LaneReader:
        """What reads touchpoints."""
        return self._consumer.reader

    @property
    def generation(self) -> int:
        """Of the group, as far as this worker has heard."""
        generation: int = self.faust.consumer_generation_id
        return generation

    async def start(self) -> None:
        """Connect, join the group and begin."""
        # First, so that nothing is decided by what is not in force any more.
        await self._playbooks.start()
        await self._delivery.start()
        await self.faust.start()
        self._watching = asyncio.create_task(self._intake.watch())
        if self._timers is not None:
            self._ticking = asyncio.create_task(self._intake.tick(self._timers))

    async def stop(self) -> None:
        """Finish the run in hand, commit, leave the group."""
        self._health.ready = False
        self._intake.halt()
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
        await self._intake.stop()
        self._stopping = True
        await self.faust.stop()
        await self._delivery.stop()
        try:
            self._store.close()
        except StateError:
            # What failed before is told when this is over; most often it is the same disk.
            if self.failure is None:
                raise

    def refresh(self) -> None:
        """Bring gauges up to date before they are shown."""
        self._metrics.profiles.set(self._store.size())
        now = int(time.time() * 1000)
        assigned = {tp.partition for tp in self._consumer.assignment()} if self._intake.taking else set()
        if self._timers is not None:
            silent = {each for each in assigned if self._profiles.known(each, now) < now}
            due = self._timers.earliest(silent)
            self._metrics.silent_partitions.set(len(silent))
            self._metrics.timers_overdue.set(0.0 if due is None else max(now - due, 0) / 1000)
        budgets.show(
            self._playbooks.engine.ledgers,
            self._profiles,
            assigned,
            lambda key: partition_of(key, self.partitions),
            now,
            self._metrics,
        )

    async def _scrub(self) -> None:
        try:
            await scrub_regularly(self._store)
        except StateError as error:
            self.fail(error)

    def fail(self, error: Exception) -> None:
        """Stop taking runs, and crash with this error."""
        self._intake.halt()
        if self.failure is None:
            self.failure = error
            self._crash = asyncio.ensure_future(self.faust.crash(error))

    async def _on_revoked(self, *_: Any, **__: Any) -> None:
        self._health.ready = False
        if self._beginning is not None:
            # What it would begin with is not ours any more, and nobody would know that it waits.
            self._beginning.cancel()
        self._intake.halt()
        self.progress.taking(None)
        self.reader.closed = True
        await self._intake.finish()
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
        generation = self.generation
        self._intake.forget()
        self.progress.taking(None)
        self.reader.closed = True
        source = self._settings.topics.touchpoints
        assigned = {tp.partition for tp in self._consumer.assignment() if tp.topic == source}

        def keep_trying() -> bool:
            self.progress.moved()
            return not self._stopping and self.failure is None and self.generation == generation

        began = time.monotonic()
        try:
            await self._hold(set(range(self.partitions)) if self._settings.standby else assigned)
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
            self.fail(error)
            return
        self._following = asyncio.create_task(self._follow(self._held - assigned))
        self.reader.transactional = self._delivery.transactional
        self.reader.closed = False
        self._intake.begin(assigned)
        self.progress.taking(len(assigned))
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
            self.fail(error)

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

    def read_again(self) -> None:
        """Read on from where the group stands, soon; once for all partitions that ask for it."""
        if self._seeking is not None and not self._seeking.done():
            return
        generation = self.generation
        self._seeking = asyncio.create_task(
            self._seek_while(lambda: self._intake.taking and self.generation == generation)
        )

    async def _seek_while(self, keep_trying: Callable[[], bool]) -> None:
        await asyncio.sleep(AGAIN_SECONDS)
        with suppress(Abandoned):
            await self._seek(keep_trying)

    async def _confirm(self, partitions: Iterable[int]) -> dict[int, int | None]:
        source = self._settings.topics.touchpoints
        committed = await self.reader.confirm(TP(source, partition) for partition in partitions)
        return {tp.partition: offset for tp, offset in committed.items()}


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
