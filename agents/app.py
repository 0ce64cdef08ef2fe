"""App: the Faust application of a worker, put together from its parts."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import faust
import structlog
from aiokafka.errors import KafkaError

from agents.health import Health
from agents.lane import LaneTable, after_rebalance, use_lane
from agents.metrics import Metrics
from agents.outbox import Abandoned, Outbox
from agents.partitioner import partition_of
from agents.settings import Settings
from agents.tables.memory import MemoryStore
from agents.tables.profiles import Profiles
from agents.tables.rocks import RocksStore
from agents.tables.store import ProfileStore
from agents.touchpoints import TouchpointProcessor
from stream.engine import Engine

COMMIT_SECONDS = 1.0
"""How often offsets are committed: what a crash replays at most, and one request a second."""

RUNS_BUFFERED = 128
"""Runs waiting in memory before fetching pauses. A run is part of one fetch of 1 MiB, so that is the
most it can be: 128 MiB in all. Fewer would pause often, and Faust sleeps a second at each pause."""

FINISH_SECONDS = 5.0
"""How long a rebalance or a stop waits for the runs in hand: half the usual session timeout."""

CANCEL_SECONDS = 2.0
"""How long a cancelled run may take to take back what it has handed over."""

RECOVERY_BUFFER = 4
"""Runs of changelog records applied at once in recovery."""

log = structlog.get_logger("dangol.worker")


class WorkerApp:
    """One life of a worker: from joining the group to leaving it, or to a crash.

    Args:
        settings: what it is told from outside.
        engine: what decides.
        partitions: how many partitions the topics have.
        metrics: what is counted.
        health: what is judged.
    """

    def __init__(
        self, settings: Settings, engine: Engine, partitions: int, metrics: Metrics, health: Health
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._health = health
        self._running: dict[int, asyncio.Task[None]] = {}
        self._taking = False
        self._stopping = False
        self._recovery_began: float | None = None
        self.was_ready = False
        self.failure: Exception | None = None
        self._crash: asyncio.Future[None] | None = None
        self._beginning: asyncio.Future[None] | None = None
        self._outbox = Outbox(settings.bootstrap, f"{settings.group}-outbox", metrics)
        self._store = _new_store(settings)
        self._profiles = Profiles(self._store, metrics)
        self._processor = TouchpointProcessor(
            engine,
            self._profiles,
            self._outbox,
            settings.topics,
            settings.group,
            settings.clock,
            lambda key: partition_of(key, partitions),
            metrics,
        )
        self.faust = _new_faust(settings, partitions)
        use_lane(
            self.faust,
            settings.bootstrap,
            (settings.topics.touchpoints, settings.topics.profiles),
            settings.batch,
        )
        self.faust.tables.add(
            LaneTable(
                self.faust,
                self._store,
                settings.topics.profiles,
                metrics,
                self._fail,
                name="profiles",
                partitions=partitions,
                recovery_buffer_size=RECOVERY_BUFFER,
            )
        )
        source = self.faust.topic(
            settings.topics.touchpoints,
            key_type=bytes,
            value_type=bytes,
            key_serializer="raw",
            value_serializer="raw",
            partitions=partitions,
            allow_empty=True,
        )
        self.faust.agent(source, name="touchpoints")(self._consume)
        self.faust.on_partitions_revoked.connect(self._on_revoked, weak=False)
        self.faust.on_partitions_assigned.connect(self._on_assigned, weak=False)
        after_rebalance(self.faust, self._on_rebalanced)

    async def start(self) -> None:
        """Connect, join the group and begin."""
        await self._outbox.start()
        await self.faust.start()

    async def stop(self) -> None:
        """Finish the run in hand, commit, leave the group."""
        self._health.ready = self._taking = False
        await self._finish_runs()
        self._stopping = True
        await self.faust.stop()
        await self._outbox.stop()

    def refresh(self) -> None:
        """Bring gauges up to date before they are shown."""
        self._metrics.profiles.set(self._store.size())

    async def _consume(self, stream: Any) -> None:
        """Take runs as they come: one of a partition at a time, so that acks keep their order.

        While the broker acknowledges one partition's run, the next one's is computed.
        """
        async for event in stream.noack().events():
            partition = event.message.partition
            if (before := self._running.get(partition)) is not None:
                # Not awaited itself: a run that was cancelled at a rebalance would end this loop with it.
                await asyncio.wait({before})
            consumer: Any = self.faust.consumer
            if not self._taking or event.message.value.epoch != consumer.epoch:
                # Read before a rebalance: it is read again, by us or by whoever has the partition then.
                continue
            self._running[partition] = asyncio.create_task(self._take(event))

    async def _take(self, event: Any) -> None:
        message = event.message

        def keep_trying() -> bool:
            self._health.progress()
            return not self._stopping and bool(message.generation_id == self.faust.consumer_generation_id)

        self._health.working += 1
        self._health.progress()
        try:
            await self._processor.process(message.partition, message.value, keep_trying)
            event.ack()
        except Abandoned:
            log.info("a run was left to the partition's next owner", partition=message.partition)
        except Exception as error:  # noqa: BLE001 - whatever it is, it stops the worker
            # State that can't be read or written, or a fault of ours: going on would lose updates.
            self._fail(error)
        finally:
            self._health.working -= 1
            self._health.progress()

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
        await self._finish_runs()
        # What is done is committed while the partitions are still ours, so that nobody takes it again.
        await self.faust.consumer.commit()

    async def _on_assigned(self, *_: Any, **__: Any) -> None:
        self._profiles.forget()
        self._recovery_began = time.monotonic()

    def _on_rebalanced(self) -> None:
        self._beginning = asyncio.ensure_future(self._begin())

    async def _begin(self) -> None:
        """Take runs from where the group stands; what was read before this seek is read again."""
        generation = self.faust.consumer_generation_id
        self._profiles.forget()
        self._taking = self.failure is None
        try:
            await self.faust.consumer.perform_seek()
        except (KafkaError, AssertionError) as error:
            # No partition is ours, or the next rebalance has begun, which comes here again.
            log.info("nothing to begin with", reason=type(error).__name__)
        if generation != self.faust.consumer_generation_id or not self._taking:
            return
        assigned = [
            tp.partition
            for tp in self.faust.consumer.assignment()
            if tp.topic == self._settings.topics.touchpoints
        ]
        self._metrics.partitions.set(len(assigned))
        seconds = 0.0 if self._recovery_began is None else time.monotonic() - self._recovery_began
        self._metrics.recovery_seconds.set(seconds)
        self._health.ready = self.was_ready = True
        log.info(
            "ready",
            partitions=sorted(assigned),
            profiles=self._store.size(),
            recovery_seconds=round(seconds, 3),
        )


def _new_store(settings: Settings) -> ProfileStore:
    return RocksStore(settings.state / "profiles") if settings.store == "rocksdict" else MemoryStore()


def _new_faust(settings: Settings, partitions: int) -> faust.App:
    return faust.App(
        settings.group,
        broker=f"kafka://{settings.bootstrap}",
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
        broker_rebalance_timeout=60.0,
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
