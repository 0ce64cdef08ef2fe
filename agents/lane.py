"""Fast lane: Faust reads in batches. The only module that touches private Faust APIs.

Stock Faust creates four asyncio tasks for every message (`Consumer._drain_messages`) and reads
changelogs one event at a time. Here its consumer yields one message for a run of records of a
partition; the message carries the records as its value and the offset of the last. Acking it
commits the whole run.

What is private, and why (faust-streaming 0.15.3; tests/unit/test_lane.py fails when it changes):

- `Consumer.getmany`, `_wait_next_records`, `_buffered_partitions`, `_to_message`, `perform_seek`:
  the way in for runs, as above.
- `Consumer._new_offset`, `_add_gap`, `_acked`, `_acked_index`: to Faust a run looks like one message and
  a gap, and of those it commits one a second (the end of the gap is counted twice, and ends the search).
- `Consumer.ack`: a message read before a rebalance must not move the offset after it. The
  compiled stream never acks such a message, the pure-Python one does (streams.py, `__aiter__`).
- `ConsumerThread.seek_to_committed`, `_fetch_records`, `App.on_rebalance_end`: while a rebalance ends, Faust
  fetches from source partitions, seeks them, and then empties the queues of its agents. What it fetched
  before the seek it may take, with records missing before it; what it fetched after it may throw away.
  So each seek begins an epoch, records of earlier ones are not taken, and one more seek follows at the end.
- `ConsumerThread._commit`: stock Faust crashes the whole app when a commit fails because the
  broker is away; the next commit carries the offset just as well.
- `ConsumerThread._create_worker_consumer`, aiokafka's `_fetch_max_wait_ms`: Faust has no setting for it.
- aiokafka's `_sender.sender_task` and `_message_accumulator`: see `abort`.
- `Table._changelog_topic_name`, `Table._new_store`: to name the changelog, and for our store.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

import faust
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerClosed
from aiokafka.structs import OffsetAndMetadata
from faust.stores.base import Store
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from yarl import URL

from agents.metrics import Metrics
from agents.tables.store import ProfileStore
from schemas.errors import StateError

COMMIT_SECONDS = 3.0
"""How long a commit of offsets may take; it takes milliseconds, and the next one covers it."""

ABORT_SECONDS = 0.5
"""How long the sending half of a producer may take to notice that its connections are gone."""

FETCH_WAIT_MS = 20
"""How long a broker may hold a fetch that finds nothing, in ms. Apache Kafka answers as soon as there
is something; the embedded broker takes the whole time, and Faust's own setting of 1,500 ms with it."""

log = structlog.get_logger("dangol.lane")


class Fetched(dict[Any, Any]):
    """Records by partition, with the epoch that they were fetched in."""

    epoch: int


class Run(list[Any]):
    """Consecutive records of a partition, with the epoch that they were fetched in."""

    epoch: int


class LaneThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread, which fetches without delay and survives a commit that fails."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        worker_consumer = super()._create_worker_consumer(transport)
        worker_consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return worker_consumer

    epoch = 0
    """How often the source partitions were sought; records fetched in an earlier epoch are read again."""

    _seeking = False
    _disturbed = False

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek every partition to where its group stands, and begin a new epoch.

        aiokafka leaves partitions where they are of which nothing is committed yet; here they go to their
        beginning.
        """
        return await self.call_thread(self._seek_to_committed)  # type: ignore[no-any-return]

    async def _seek_to_committed(self) -> Mapping[TP, int]:
        worker_consumer = self._ensure_consumer()
        changelogs = self.app.tables.changelog_topics
        self._seeking = True
        try:
            while True:
                self._disturbed = False
                committed: Mapping[TP, int] = await worker_consumer.seek_to_committed()
                anew = [tp for tp, offset in committed.items() if not offset and tp.topic not in changelogs]
                for tp, offset in (await worker_consumer.beginning_offsets(anew) if anew else {}).items():
                    worker_consumer.seek(tp, offset)
                # A fetch that ended meanwhile has moved on from where a partition was sought to.
                if not self._disturbed:
                    self.epoch += 1
                    return committed
        finally:
            self._seeking = False

    async def _fetch_records(self, *args: Any, **kwargs: Any) -> Fetched:
        records = await super()._fetch_records(*args, **kwargs)
        if self._seeking and records:
            self._disturbed = True
            records = {}
        fetched = Fetched(records)
        fetched.epoch = self.epoch
        return fetched

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        assigned = self.assignment()
        wanted = {
            driver.ensure_aiokafka_TP(tp): OffsetAndMetadata(offset, "")
            for tp, offset in offsets.items()
            if tp in assigned
        }
        if not wanted:
            return False
        try:
            # aiokafka would repeat it for as long as the broker is away, and a rebalance with it.
            await asyncio.wait_for(self._ensure_consumer().commit(wanted), COMMIT_SECONDS)
        except (KafkaError, TimeoutError) as error:
            # Nothing is lost: state knows what was applied, and the next commit covers this one.
            log.warning("committing offsets failed, the next commit covers it", reason=type(error).__name__)
            return False
        now = time.monotonic()
        self.tp_last_committed_at.update(dict.fromkeys(offsets, now))
        return True


class LaneConsumer(driver.Consumer):
    """Faust's consumer, which hands out runs of records for the topics in `run_topics`."""

    run_topics: frozenset[str]
    run_length: int

    def _new_consumer_thread(self) -> LaneThread:
        return LaneThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ASYNC109 - Faust's
        """Yield one message for up to `run_length` records of a partition."""
        records, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if records is None or self._stopped.is_set():
            return
        if not self.flow_active:
            await self.perform_seek()
            return
        # Faust's own set changes while this goes on: a partition whose first run was left out must not have
        # its second taken. What is left out is read again in the next epoch.
        active = None if active is None else set(active)
        epoch = getattr(records, "epoch", self.epoch)
        changelogs = self.app.tables.changelog_topics
        for tp, run in _in_turn(records, self.run_topics, self.run_length):
            if active is not None and tp not in active and tp not in self._buffered_partitions:
                continue
            if epoch != self.epoch and tp.topic not in changelogs:
                continue
            if self._is_interrupted(generation):
                return
            message: Any = self._to_message(tp, run[-1])
            if tp.topic in self.run_topics:
                message.key, message.value = None, Run(run)
                message.value.epoch = epoch
            yield tp, message

    @property
    def epoch(self) -> int:
        """The epoch of the latest seek: runs of an earlier one are read again, and not to be taken."""
        thread: Any = self._thread
        epoch: int = thread.epoch
        return epoch

    def _is_interrupted(self, generation: int) -> bool:
        """Whether a rebalance began since this generation's records were fetched."""
        return not self.flow_active or bool(self.app.consumer_generation_id != generation)

    def _new_offset(self, tp: TP) -> int | None:
        """The offset to commit: after the last record of the latest run acked.

        Right only because the runs of a partition are acked in order, and none after one that failed: see
        `_consume` in agents/app.py.
        """
        acked = self._acked[tp]
        if not acked:
            return None
        offset: int = max(acked) + 1
        acked.clear()
        self._acked_index[tp].clear()
        return offset

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Nothing to note: that a run jumps over the records before its last is known to `_new_offset`."""

    def ack(self, message: Any) -> bool:
        """Mark a message as done, unless it was read before the latest rebalance."""
        if message.generation_id != self.app.consumer_generation_id:
            return False
        return super().ack(message)


class LaneTransport(driver.Transport):
    """Faust's transport with the consumer above."""

    Consumer = LaneConsumer


class LaneStore(Store):  # type: ignore[type-arg]
    """What Faust sees of a ProfileStore: recovery writes into it, rebalances open and drop."""

    profiles: ProfileStore
    metrics: Metrics
    changelog: str
    fail: Callable[[Exception], None]

    def __post_init__(self) -> None:
        self._held: set[int] = set()

    def persisted_offset(self, tp: TP) -> int | None:
        """The changelog offset up to which a partition is already held."""
        return self.profiles.offset(tp.partition)

    def apply_changelog_batch(
        self, batch: Iterable[Any], to_key: Callable[[Any], Any], to_value: Callable[[Any], Any]
    ) -> None:
        """Write runs of changelog records."""
        for event in batch:
            run = event.message.value
            # What Faust still had in a buffer may be of a partition that has gone.
            if event.message.partition not in self._held:
                continue
            try:
                self.profiles.write(
                    event.message.partition, {record.key: record.value for record in run}, run[-1].offset
                )
            except StateError as error:
                # Faust would log it and wait for the rest for ever.
                self.fail(error)
                return
            self.metrics.recovered.inc(len(run))

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Drop what is someone else's now, open what is ours."""
        self.profiles.drop({tp.partition for tp in revoked if tp.topic == self.changelog})
        self._held = {tp.partition for tp in assigned if tp.topic == self.changelog}
        for partition in sorted(self._held):
            self.profiles.open(partition)

    async def on_stop(self) -> None:
        """Close the store."""
        self.profiles.close()

    def reset_state(self) -> None:
        """Part of Faust's interface; the state folder is the operator's to delete."""

    async def backup_partition(self, *args: Any, **kwargs: Any) -> None:
        """Part of Faust's interface; the changelog is the backup."""

    def restore_backup(self, *args: Any, **kwargs: Any) -> None:
        """Part of Faust's interface; the changelog is the backup."""

    def __getitem__(self, key: Any) -> Any:
        """Not for use: reads go through Profiles, which knows the partition."""
        raise KeyError(key)


class LaneTable(faust.Table):  # type: ignore[type-arg]
    """A Faust table over a ProfileStore, with a changelog topic that we name.

    Args:
        app: the app it belongs to.
        store: where the profiles are kept.
        changelog: the changelog topic's name.
        metrics: where recovery is counted.
        fail: called with an error that recovery can't go on after.
    """

    def __init__(
        self,
        app: faust.App,
        store: ProfileStore,
        changelog: str,
        metrics: Metrics,
        fail: Callable[[Exception], None],
        **kwargs: Any,
    ) -> None:
        self._profiles = store
        self._changelog = changelog
        self._metrics = metrics
        self._fail = fail
        super().__init__(app, key_type=bytes, value_type=bytes, **kwargs)

    def _changelog_topic_name(self) -> str:
        return self._changelog

    def _new_store(self) -> LaneStore:
        store = LaneStore("lane://", self.app, self, loop=self.loop)
        store.profiles = self._profiles
        store.metrics = self._metrics
        store.changelog = self._changelog
        store.fail = self._fail
        return store


def use_lane(app: faust.App, bootstrap: str, run_topics: Iterable[str], run_length: int) -> None:
    """Make an app read these topics in runs of up to `run_length` records."""

    class Consumer(LaneConsumer):
        pass

    class Transport(LaneTransport):
        pass

    Consumer.run_topics = frozenset(run_topics)
    Consumer.run_length = run_length
    Transport.Consumer = Consumer
    app.transport = Transport([URL(f"kafka://{bootstrap}")], app)


def after_rebalance(app: faust.App, callback: Callable[[], None]) -> None:
    """Have `callback` called when a rebalance is over and Faust throws nothing away any more."""
    end = app.on_rebalance_end

    def on_rebalance_end() -> None:
        end()
        callback()

    app.on_rebalance_end = on_rebalance_end  # type: ignore[method-assign]


async def abort(producer: AIOKafkaProducer) -> None:
    """Close a producer at once: what waits is not sent any more, and who waits for it is told.

    `AIOKafkaProducer.stop` first sends what waits, and an idempotent producer tries that for as long as
    the broker is away. There is no public way to end one without, so this takes its sending task, and
    its accumulator, which fails all that waits; tests/integration/test_outbox.py holds it.
    """
    sender = producer._sender.sender_task
    if sender is not None:
        sender.cancel()
        # Requests on their way end with their connections, and the sending task with them.
        await producer.client.close()
        await asyncio.wait({sender}, timeout=ABORT_SECONDS)
        sender.cancel()
        await asyncio.wait({sender}, timeout=ABORT_SECONDS)
    accumulator = producer._message_accumulator
    # A batch that was to be tried again is not among the pending ones, and is missed there when it ends.
    accumulator._pending_batches.update(batch for queue in accumulator._batches.values() for batch in queue)
    accumulator.fail_all(ProducerClosed())
    with suppress(KafkaError, OSError):
        await producer.stop()


def is_compiled() -> bool:
    """Whether Faust's compiled stream iterator is there; without it everything works, slower."""
    try:
        import faust._cython.streams  # noqa: F401, PLC0415 - whether it can be imported is the question
    except ImportError:
        return False
    return True


def _in_turn(
    records: Mapping[TP, Iterable[Any]], run_topics: frozenset[str], run_length: int
) -> list[tuple[TP, list[Any]]]:
    """The records as runs, one of each partition in turn, so that a full partition starves no other."""
    runs: list[tuple[int, TP, list[Any]]] = []
    for tp, fetched in records.items():
        kept = list(fetched)
        length = run_length if tp.topic in run_topics else 1
        runs.extend(
            (turn, tp, kept[start : start + length]) for turn, start in enumerate(range(0, len(kept), length))
        )
    runs.sort(key=lambda run: run[0])
    return [(tp, run) for _, tp, run in runs]
