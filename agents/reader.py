"""Reader: what fetches and commits for Faust's consumer, in the worker's own event loop.

What of Faust and aiokafka is private here, and why (faust-streaming 0.15.3; tests/unit/test_reader.py fails
when it changes):

- `ConsumerThread.seek_to_committed`, `_fetch_records`: while a rebalance ends, Faust fetches from source
  partitions, seeks them, and then empties the queues of its agents. What it fetched before the seek it may
  take, with records missing before it; what it fetched after it may throw away. So each seek begins an epoch,
  records of earlier ones are not taken, and one more seek follows at the end (agents/lane.py).
  Whatever else Faust may throw away, nobody misses unknown: each run names the record that it follows.
- `ConsumerThread._commit`: stock Faust crashes the whole app when a commit fails because the
  broker is away; the next commit carries the offset just as well.
- `ServiceThread._serve`, `_thread_started`, `_thread_running`, `_gather_remaining_tasks`, `call_thread`: to
  Faust a thread with an event loop of its own reads. While the worker decides, that one waits up to 5 ms for
  Python at each step of a fetch, and takes turns from it; so here it lives in the worker's own loop.
- `ConsumerThread._create_worker_consumer`, aiokafka's `_fetch_max_wait_ms`: Faust has no setting for it.
- aiokafka's `_isolation_level`: Faust has no setting for it without its own way of exactly once.
- aiokafka's `_partition_assignment_strategy`: Faust takes aiokafka's own where it has no tables, whatever is
  set; agents/assignor.py says what that one lacks.
- aiokafka's `_subscription` and the state of a partition in it: where a partition stands and where it ends,
  at one and the same moment; the public `position` waits.
- aiokafka's `_coordinator.generation`: what commits are made with, −1 where the group has put us out.
- aiokafka's `PartitionRecords`, `_consumer_record` and `_key_deserializer`: it wraps each parsed record in
  another one, which takes 0.8 µs of the 1.3 that it spends on a record, and the memory of both.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import structlog
from aiokafka.consumer import fetcher
from aiokafka.errors import CommitFailedError, KafkaError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.utils.futures import maybe_async

from agents.assignor import LaneAssignor
from agents.batches import hear, reason
from agents.runs import Fetched

COMMIT_SECONDS = 3.0
"""How long a commit of offsets may take; it takes milliseconds, and the next one covers it."""

FETCH_WAIT_MS = 20
"""How long a broker may hold a fetch that finds nothing, in ms. Apache Kafka answers as soon as there
is something; the embedded broker takes the whole time, and Faust's own setting of 1,500 ms with it."""

CLOSED_SECONDS = 0.02
"""How long a fetch takes that brings nothing because the worker is not ready for touchpoints."""

log = structlog.get_logger("dangol.lane")


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
        worker_consumer._partition_assignment_strategy = (self.assignor,)
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

    def __init__(
        self,
        consumer: driver.Consumer,
        loop: asyncio.AbstractEventLoop,
        assignor: type[LaneAssignor],
        **kwargs: Any,
    ) -> None:
        super().__init__(consumer, loop=loop, thread_loop=loop, **kwargs)
        self.assignor = assignor
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
