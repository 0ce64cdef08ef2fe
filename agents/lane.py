"""Fast lane: Faust reads in batches. The only module that touches private Faust APIs.

Stock Faust creates four asyncio tasks for every message (`Consumer._drain_messages`) and reads
changelogs one event at a time. Here its consumer yields one message for a run of records of a
partition; the message carries the records as its value and the offset of the last. Acking it
commits the whole run.

What is private, and why (faust-streaming 0.15.3; tests/unit/test_lane.py fails when it changes):

- `Consumer.getmany`, `_wait_next_records`, `_buffered_partitions`, `_to_message`: the way in for runs.
- `Consumer._new_offset`, `_add_gap`, `_acked`, `_acked_index`: to Faust a run looks like one message and
  a gap, and of those it commits one a second (the end of the gap is counted twice, and ends the search).
- `Consumer.ack`: a message read before a rebalance must not move the offset after it. The
  compiled stream never acks such a message, the pure-Python one does (streams.py, `__aiter__`).
- `ConsumerThread.seek_to_committed`, `_fetch_records`, `App.on_rebalance_end`: while a rebalance ends, Faust
  fetches from source partitions, seeks them, and then empties the queues of its agents. What it fetched
  before the seek it may take, with records missing before it; what it fetched after it may throw away.
  So each seek begins an epoch, records of earlier ones are not taken, and one more seek follows at the end.
  Whatever else Faust may throw away, nobody misses unknown: each run names the record that it follows.
- `ConsumerThread._commit`: stock Faust crashes the whole app when a commit fails because the
  broker is away; the next commit carries the offset just as well.
- `ServiceThread._serve`, `_thread_started`, `_thread_running`, `_gather_remaining_tasks`, `call_thread`: to
  Faust a thread with an event loop of its own reads. While the worker decides, that one waits up to 5 ms for
  Python at each step of a fetch, and takes turns from it; so here it lives in the worker's own loop.
- `ConsumerThread._create_worker_consumer`, aiokafka's `_fetch_max_wait_ms`: Faust has no setting for it.
- aiokafka's `_sender.sender_task`, `_message_accumulator` and `_txn_manager`: see `abort`.
- aiokafka's `_subscription` and the state of a partition in it: where a partition stands and where it ends,
  at one and the same moment; the public `position` waits.
- aiokafka's `_coordinator.generation`: what commits are made with, −1 where the group has put us out.
- aiokafka's `_partition_assignment_strategy`: the assignor leaves out topics that the metadata of the moment
  lack. Faust takes aiokafka's own where it has no tables, whatever is set.
- aiokafka's `_isolation_level`: Faust has no setting for it without its own way of exactly once.
- aiokafka's `PartitionRecords`, `_consumer_record` and `_key_deserializer`: it wraps each parsed record in
  another one, which takes 0.8 µs of the 1.3 that it spends on a record, and the memory of both.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, ClassVar, NamedTuple, cast

import faust
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.consumer import fetcher
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import CommitFailedError, KafkaError, ProducerClosed
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage
from mode.utils.futures import maybe_async
from yarl import URL

from agents.batches import hear, reason

COMMIT_SECONDS = 3.0
"""How long a commit of offsets may take; it takes milliseconds, and the next one covers it."""

ABORT_SECONDS = 0.5
"""How long the sending half of a producer may take to notice that its connections are gone."""

FETCH_WAIT_MS = 20
"""How long a broker may hold a fetch that finds nothing, in ms. Apache Kafka answers as soon as there
is something; the embedded broker takes the whole time, and Faust's own setting of 1,500 ms with it."""

log = structlog.get_logger("dangol.lane")


CLOSED_SECONDS = 0.02
"""How long a fetch takes that brings nothing because the worker is not ready for touchpoints."""


class Fetched(dict[Any, Any]):
    """Records by partition, with the epoch that they were fetched in.

    Attributes:
        epoch: which seek they were fetched after.
        follows: by partition, the last offset fetched before in this epoch; not there for the first.
    """

    epoch: int
    follows: dict[TP, int]


class Run(list[Any]):
    """Consecutive records of a partition.

    Attributes:
        epoch: which seek they were fetched after.
        follows: offset of the record before, None for the first run of an epoch. A run that follows
            another than the one done last has lost its predecessor on the way.
    """

    epoch: int
    follows: int | None

    @property
    def last(self) -> int:
        """Offset of the last record."""
        offset: int = self[-1].offset
        return offset


class End(NamedTuple):
    """A partition of which everything has been fetched.

    Attributes:
        at: as of when, in ms by this machine's clock.
        epoch: which seek it was fetched after.
        last: offset of the last record fetched; None where there was none since that seek.
    """

    at: int
    epoch: int
    last: int | None


def as_parsed(key: bytes | None) -> bytes | None:
    """The key as it is; a consumer that is given this as its deserializer hands out records as parsed."""
    return key


class LaneRecords(fetcher.PartitionRecords):  # type: ignore[misc]
    """The records of a fetch, which know their offset, times, key, value and headers, but not their topic."""

    def _consumer_record(self, tp: Any, record: Any) -> Any:
        return record if self._key_deserializer is as_parsed else super()._consumer_record(tp, record)


class LaneReader(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread, without a thread; it fetches at once and survives a commit that fails."""

    async def start(self) -> None:
        """Connect and join the group.

        Raises:
            KafkaError: the broker can't be reached.
        """
        self._thread_started.set()
        self._thread_running = asyncio.get_running_loop().create_future()
        self._serving = asyncio.create_task(self._serve())
        # Who waits for its start is told what it failed with, and so is the app.
        self._serving.add_done_callback(hear)
        try:
            await self._thread_running
        finally:
            self._thread_running = None

    async def stop(self) -> None:
        """Leave the group and disconnect."""
        await super().stop()
        if self._serving is not None:
            await asyncio.wait({self._serving})

    async def call_thread(self, fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """What a function comes to; Faust would ask its thread."""
        return await maybe_async(fun(*args, **kwargs))

    async def _gather_remaining_tasks(self) -> None:
        """Nothing: the loop's other tasks are the worker's."""

    def on_crash(self, msg: str, *fmt: Any, **_: Any) -> None:
        """Say in one line what it failed with; Faust would print a traceback."""
        log.error("reading touchpoints ended", reason=reason(fmt[-1]) if fmt else msg)

    def _create_worker_consumer(self, transport: Any) -> Any:
        worker_consumer = super()._create_worker_consumer(transport)
        worker_consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        worker_consumer._isolation_level = "read_committed"
        worker_consumer._key_deserializer = as_parsed
        worker_consumer._partition_assignment_strategy = (cast(LaneConsumer, self.consumer).assignor,)
        return worker_consumer

    epoch = 0
    """How often the source partitions were sought; records fetched in an earlier epoch are read again."""

    closed = True
    """Whether nothing is to be fetched: until state is recovered, what comes could not be taken."""

    transactional = False
    """Whether offsets are committed by transactions, and not from here."""

    _seeking = False
    _disturbed = False
    _serving: asyncio.Task[None] | None = None

    def __init__(self, consumer: LaneConsumer, loop: asyncio.AbstractEventLoop, **kwargs: Any) -> None:
        super().__init__(consumer, loop=loop, thread_loop=loop, **kwargs)
        self._fetched: dict[TP, int] = {}

    def fetched(self) -> dict[TP, int]:
        """Offset of the last record fetched since the latest seek, by partition."""
        return dict(self._fetched)

    def ends(self, partitions: Iterable[TP]) -> dict[TP, End]:
        """Those of these partitions of which everything that is there has been fetched."""
        # Between a fetch and the note of what it brought lies no await, and none here.
        subscription = self._ensure_consumer()._subscription.subscription
        if self._seeking or self.closed or subscription is None or subscription.assignment is None:
            return {}
        ends = {}
        for tp in partitions:
            if driver.ensure_aiokafka_TP(tp) not in subscription.assignment.tps:
                continue
            state = subscription.assignment.state_value(driver.ensure_aiokafka_TP(tp))
            if state.timestamp is None or not state.has_valid_position:
                continue
            # Brokers without transactions know no last stable offset.
            end = state.highwater if state.lso is None or state.lso < 0 else state.lso
            if state.position >= end:
                ends[tp] = End(state.timestamp, self.epoch, self._fetched.get(tp))
        return ends

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek every partition to where its group stands, and begin a new epoch.

        aiokafka leaves partitions where they are of which nothing is committed yet; here they go to their
        beginning.
        """
        worker_consumer = self._ensure_consumer()
        self._seeking = True
        try:
            while True:
                self._disturbed = False
                committed: Mapping[TP, int] = await worker_consumer.seek_to_committed()
                anew = [tp for tp, offset in committed.items() if not offset]
                for tp, offset in (await worker_consumer.beginning_offsets(anew) if anew else {}).items():
                    worker_consumer.seek(tp, offset)
                # A fetch that ended meanwhile has moved on from where a partition was sought to.
                if not self._disturbed:
                    self.epoch += 1
                    self._fetched.clear()
                    return committed
        finally:
            self._seeking = False

    async def confirm(self, partitions: Iterable[TP]) -> dict[TP, int | None]:
        """Prove that these partitions are still ours: a coordinator takes commits of its members alone.

        What is committed is what is committed already.

        Returns:
            The committed offset by partition; None where nothing is committed yet.

        Raises:
            KafkaError: they are not, or nobody can be asked.
        """
        worker_consumer = self._ensure_consumer()
        coordinator = worker_consumer._coordinator
        generation = coordinator.generation
        ours = [driver.ensure_aiokafka_TP(tp) for tp in partitions]
        committed: dict[TP, int | None] = {tp: await worker_consumer.committed(tp) for tp in ours}
        anew = [tp for tp, offset in committed.items() if offset is None]
        beginnings = await worker_consumer.beginning_offsets(anew) if anew else {}
        await asyncio.wait_for(
            worker_consumer.commit(
                {
                    tp: OffsetAndMetadata(beginnings[tp] if offset is None else offset, "")
                    for tp, offset in committed.items()
                }
            ),
            COMMIT_SECONDS,
        )
        # Of a group without members a coordinator takes commits of anyone, and after a rebalance of ours too.
        if generation < 0 or coordinator.generation != generation:
            raise CommitFailedError("we are no member of the group any more, or one anew")
        return committed

    async def _fetch_records(self, *args: Any, **kwargs: Any) -> Fetched:
        if self.closed:
            await asyncio.sleep(CLOSED_SECONDS)
            records: Any = {}
        else:
            records = await super()._fetch_records(*args, **kwargs)
        if (self._seeking or self.closed) and records:
            self._disturbed = True
            records = {}
        fetched = Fetched(records)
        fetched.epoch = self.epoch
        fetched.follows = {tp: self._fetched[tp] for tp in records if tp in self._fetched}
        self._fetched.update((tp, run[-1].offset) for tp, run in records.items() if run)
        return fetched

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        if self.transactional:
            return True
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
    assignor: type[LaneAssignor]

    def _new_consumer_thread(self) -> LaneReader:
        return LaneReader(self, self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ASYNC109 - Faust's
        """Yield one message for up to `run_length` records of a partition."""
        records, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        # Stock Faust seeks here while a rebalance is on; nothing is fetched then, and its end seeks anyway.
        if records is None or self._stopped.is_set() or not self.flow_active:
            return
        # Faust's own set changes while this goes on: a partition whose first run was left out must not have
        # its second taken. What is left out is read again in the next epoch.
        active = None if active is None else set(active)
        fetched: Any = records or Fetched()
        for tp, run in _in_turn(fetched, self.run_topics, self.run_length):
            if active is not None and tp not in active and tp not in self._buffered_partitions:
                continue
            if fetched.epoch != self.epoch or self._is_interrupted(generation):
                return
            message: Any = self._to_message(tp, run[-1])
            if isinstance(run, Run):
                run.epoch = fetched.epoch
                message.key, message.value = None, run
            yield tp, message

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            record.offset,
            record.timestamp / 1000.0,
            record.timestamp_type,
            record.headers,
            record.key,
            record.value,
            record.checksum,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    @property
    def epoch(self) -> int:
        """The epoch of the latest seek: runs of an earlier one are read again, and not to be taken."""
        return self.reader.epoch

    @property
    def reader(self) -> LaneReader:
        """What speaks to the broker."""
        reader: LaneReader = self._thread  # type: ignore[assignment]
        return reader

    def _is_interrupted(self, generation: int) -> bool:
        """Whether a rebalance began since this generation's records were fetched."""
        return not self.flow_active or bool(self.app.consumer_generation_id != generation)

    def _new_offset(self, tp: TP) -> int | None:
        """The offset to commit: after the last record of the latest run acked.

        Right only because the runs of a partition are acked in order, and none after one that failed: see
        agents/intake.py and agents/pipeline.py.
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


class LaneAssignor(RoundRobinPartitionAssignor):  # type: ignore[misc]
    """aiokafka's assignor, which knows how many partitions there are.

    It goes by the metadata that the group's leader happens to have. Of a broker that has just started these
    may be empty, and then nobody would be assigned anything, until the next rebalance.
    """

    known: ClassVar[Mapping[str, int]]

    @classmethod
    def assign(cls, cluster: Any, members: Mapping[str, Any]) -> dict[str, Any]:
        """Partitions by member."""
        shared: dict[str, Any] = super().assign(_Known(cluster, cls.known), members)
        given = sum(len(each.partitions()) for each in shared.values())
        log.info("partitions were shared out", partitions=given, members=len(shared))
        return shared


class _Known:
    """The cluster's metadata, with what is known of partitions where it has nothing."""

    def __init__(self, cluster: Any, known: Mapping[str, int]) -> None:
        self._cluster = cluster
        self._known = known

    def partitions_for_topic(self, topic: str) -> set[int]:
        found = self._cluster.partitions_for_topic(topic)
        return set(found) if found else set(range(self._known.get(topic, 0)))


def use_lane(
    app: faust.App, addresses: Iterable[str], run_topics: Mapping[str, int], run_length: int
) -> None:
    """Make an app read topics in runs.

    Args:
        app: the app.
        addresses: of the brokers.
        run_topics: the topics, each with the number of its partitions.
        run_length: records of a run at most.
    """

    class Consumer(LaneConsumer):
        pass

    class Transport(LaneTransport):
        pass

    class Assignor(LaneAssignor):
        known: ClassVar[Mapping[str, int]] = dict(run_topics)

    Consumer.assignor = Assignor
    Consumer.run_topics = frozenset(run_topics)
    Consumer.run_length = run_length
    Transport.Consumer = Consumer
    fetcher.PartitionRecords = LaneRecords
    app.transport = Transport([URL(f"kafka://{address}") for address in addresses], app)


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
    # Nobody waits for these, and asyncio would complain of what they end with.
    unheard = [batch._drain_waiter for batch in accumulator._pending_batches]
    if producer._txn_manager is not None:
        unheard.append(producer._txn_manager._transaction_waiter)
    for future in unheard:
        if future is not None:
            future.add_done_callback(hear)
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


def _in_turn(fetched: Fetched, run_topics: frozenset[str], run_length: int) -> list[tuple[TP, list[Any]]]:
    """The records as runs, one of each partition in turn, so that a full partition starves no other."""
    runs: list[tuple[int, TP, list[Any]]] = []
    for tp, records in fetched.items():
        if tp.topic not in run_topics:
            runs.extend((turn, tp, [record]) for turn, record in enumerate(records))
            continue
        follows = fetched.follows.get(tp)
        for turn, start in enumerate(range(0, len(records), run_length)):
            run = Run(records[start : start + run_length])
            run.follows = follows
            follows = run.last
            runs.append((turn, tp, run))
    runs.sort(key=lambda run: run[0])
    return [(tp, run) for _, tp, run in runs]
