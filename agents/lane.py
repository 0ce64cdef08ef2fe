"""Fast lane: Faust reads in batches.

Stock Faust creates four asyncio tasks for every message (`Consumer._drain_messages`) and reads
changelogs one event at a time. Here its consumer yields one message for a run of records of a
partition; the message carries the records as its value and the offset of the last. Acking it
commits the whole run.

What of Faust is private here, and why (faust-streaming 0.15.3; tests/unit/test_lane.py fails when it
changes); what else is private anywhere stands in agents/reader.py and agents/producer.py:

- `Consumer.getmany`, `_wait_next_records`, `_buffered_partitions`, `_to_message`: the way in for runs.
- `Consumer._new_offset`, `_add_gap`, `_acked`, `_acked_index`: to Faust a run looks like one message and
  a gap, and of those it commits one a second (the end of the gap is counted twice, and ends the search).
- `Consumer.ack`: a message read before a rebalance must not move the offset after it. The
  compiled stream never acks such a message, the pure-Python one does (streams.py, `__aiter__`).
- `Consumer._new_consumer_thread`, `_thread`: the reader takes the place of Faust's thread.
- `App.on_rebalance_end`: when Faust throws nothing away any more, so that one more seek may follow.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, ClassVar

import faust
from aiokafka.consumer import fetcher
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage
from yarl import URL

from agents.assignor import LaneAssignor
from agents.reader import LaneReader, LaneRecords
from agents.runs import Fetched, Run, in_turn


class LaneConsumer(driver.Consumer):
    """Faust's consumer, which hands out runs of records for the topics in `run_topics`."""

    run_topics: frozenset[str]
    run_length: int
    assignor: type[LaneAssignor]

    def _new_consumer_thread(self) -> LaneReader:
        return LaneReader(self, self.loop, self.assignor, beacon=self.beacon)

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
        for tp, run in in_turn(fetched, self.run_topics, self.run_length):
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


def is_compiled() -> bool:
    """Whether Faust's compiled stream iterator is there; without it everything works, slower."""
    try:
        import faust._cython.streams  # noqa: F401, PLC0415 - whether it can be imported is the question
    except ImportError:
        return False
    return True
