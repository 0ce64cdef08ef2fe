"""Transactions: what a run changes becomes visible with its offset, at once or not at all.

Each assigned partition has a transactional producer of its own, whose id is made of the group, the
topic and the partition: whoever opens it fences off whoever had it before, and ends what that one
had begun. aiokafka commits offsets to a transaction without the group's generation, so that one
producer for all partitions (KIP-447) would let a frozen worker write behind its successor; an id for
each partition does not (the way of Kafka Streams before 2.6).

A worker that was frozen may not know that it is no owner any more, and could fence its successor by
opening the id again. So after opening, and before anything is written, the group's coordinator has to
confirm the partition. Whoever opens it later, ends us.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    CommitFailedError,
    IllegalOperation,
    IllegalStateError,
    InvalidProducerEpoch,
    KafkaError,
    ProducerFenced,
    UnknownError,
)
from aiokafka.structs import TopicPartition

from agents.batches import (
    ASK_SECONDS,
    MAX_BATCH_BYTES,
    MAX_REQUEST_BYTES,
    REQUEST_TIMEOUT_MS,
    Abandoned,
    Flight,
    Record,
    Uncertain,
    acknowledged,
    destinations_of,
    hand_over,
    hear,
    reason,
    settle,
)
from agents.connection import Broker, connection_to
from agents.metrics import Metrics
from agents.producer import abort

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 5.0
"""Seconds between tries: doubling from the first, up to the longest."""

TRANSACTION_MS = 60_000
"""How long a transaction may last, in ms, until the broker ends it: a run's takes some 20 ms. It only
matters when a worker dies and nobody takes its place."""

OPENED_AT_ONCE = 8
"""Producers that are opened side by side: each takes three connections, and some ms."""

log = structlog.get_logger("dangol.transactions")

Confirm = Callable[[Iterable[int]], Awaitable[dict[int, int | None]]]
"""Asks the group's coordinator whether partitions are still ours; their committed offsets."""


class Unsupported(Exception):  # noqa: N818 - a property of the broker, found out by asking
    """The broker has no transactions."""


class Transactions:
    """The transactional producers of a worker, one for each of its partitions.

    Args:
        broker: how to reach the broker.
        group: the consumer group that offsets are committed for.
        source: the topic that they are of.
        metrics: where retries are counted.
        confirm: asks whether partitions are still ours.
    """

    def __init__(self, broker: Broker, group: str, source: str, metrics: Metrics, confirm: Confirm) -> None:
        self._connection = connection_to(broker)
        self._group = group
        self._source = source
        self._metrics = metrics
        self._confirm = confirm
        self._producers: dict[int, AIOKafkaProducer] = {}

    async def open(self, partitions: Iterable[int]) -> None:
        """Take partitions over: fence off whoever had them, and have it confirmed that they are ours.

        Raises:
            Unsupported: the broker has no transactions.
            Abandoned: the partitions are not ours, or a rebalance is under way.
            KafkaError: the broker can't be asked.
        """
        wanted = sorted(partitions)
        gate = asyncio.Semaphore(OPENED_AT_ONCE)

        async def start(partition: int) -> None:
            async with gate:
                await self._start(partition)

        starting = [asyncio.create_task(start(partition)) for partition in wanted]
        if not starting:
            return
        try:
            await asyncio.wait(starting)
        finally:
            # What is opened after this was given up would fence off the next owner.
            for task in starting:
                task.cancel()
        for task in starting:
            task.result()
        await self._confirmed(wanted)

    async def close(self) -> None:
        """Let go of all partitions; what is not committed by now never will be."""
        producers = list(self._producers.values())
        self._producers.clear()
        await asyncio.gather(*(abort(producer) for producer in producers))

    async def commit(
        self,
        partition: int,
        records: Sequence[Record],
        next_offset: int | None,
        keep_trying: Callable[[], bool],
    ) -> dict[str, int]:
        """Publish records and commit the offset of the record to be read next, both or neither.

        Args:
            partition: the partition that the records come of.
            records: what to publish; the order is kept within a topic and partition.
            next_offset: offset to commit; None leaves it where it is.
            keep_trying: asked before every try, and every second while one lasts.

        Returns:
            The offset of the last record by topic (of its last partition).

        Raises:
            Abandoned: `keep_trying` said no, or the partition is someone else's.
            TopicError: a topic takes no record of a size that has to be.
            Uncertain: it may have gone through or not, and there is no offset by which to tell.
        """
        singly: set[tuple[str, int]] = set()
        offsets: dict[str, int] = {}
        pause = FIRST_PAUSE
        committing = False
        while True:
            if not keep_trying():
                raise Abandoned
            producer = self._producers.get(partition)
            done = False
            try:
                if producer is None:
                    producer, committed = await self._reopened(partition)
                    if committing and next_offset is None:
                        done = True
                        raise Uncertain
                    if committing and committed == next_offset:
                        # The answer was lost, not the transaction.
                        done = True
                        return offsets
                offsets.clear()
                committing = False
                await producer.begin_transaction()
                failure = await self._publish(producer, records, singly, offsets, keep_trying)
                if failure is None:
                    if next_offset is not None:
                        place = {TopicPartition(self._source, partition): next_offset}
                        await _as_long_as(
                            keep_trying, producer.send_offsets_to_transaction(place, self._group)
                        )
                    committing = True
                    await _as_long_as(keep_trying, producer.commit_transaction())
                    done = True
                    return offsets
            except (ProducerFenced, InvalidProducerEpoch) as error:
                log.info("a partition has another owner", partition=partition, reason=type(error).__name__)
                raise Abandoned from None
            except (KafkaError, OSError, TimeoutError, IllegalOperation) as error:
                # The last one where the producer heard between two records that its transaction is over.
                failure = reason(error)
            finally:
                # Also when given up or cancelled: nothing of this may arrive later.
                if not done and producer is not None:
                    await self._discard(partition, producer)
            self._metrics.publish_retries.inc()
            log.warning(
                "a transaction failed, trying again",
                partition=partition,
                reason=failure,
                retry_in_seconds=pause,
            )
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _publish(
        self,
        producer: AIOKafkaProducer,
        records: Sequence[Record],
        singly: set[tuple[str, int]],
        offsets: dict[str, int],
        keep_trying: Callable[[], bool],
    ) -> str | None:
        """Publish within a transaction; the reason of a failure, or None."""
        destinations = destinations_of(records)
        flights: list[list[Flight]] = [[] for _ in destinations]
        try:
            for destination, handed_over in zip(destinations, flights, strict=True):
                destination.singly = (destination.topic, destination.partition) in singly
                await hand_over(producer, destination, handed_over)
            await acknowledged([flight.future for each in flights for flight in each], keep_trying)
        finally:
            for each in flights:
                for flight in each:
                    flight.future.add_done_callback(hear)
        failure = None
        for destination, handed_over in zip(destinations, flights, strict=True):
            for flight in handed_over:
                if isinstance(flight.future.exception(), ProducerFenced | InvalidProducerEpoch):
                    raise ProducerFenced
            failure = settle(destination, handed_over, offsets) or failure
            if destination.singly:
                singly.add((destination.topic, destination.partition))
        return failure

    async def _start(self, partition: int) -> AIOKafkaProducer:
        before = self._producers.pop(partition, None)
        if before is not None:
            await abort(before)
        producer = AIOKafkaProducer(
            **self._connection.options(),
            client_id=f"{self._group}-{partition}",
            transactional_id=f"{self._group}-{self._source}-{partition}",
            transaction_timeout_ms=TRANSACTION_MS,
            acks="all",
            max_batch_size=MAX_BATCH_BYTES,
            max_request_size=MAX_REQUEST_BYTES,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
        )
        try:
            await producer.start()
        except UnknownError as error:
            await abort(producer)
            raise Unsupported from error
        except BaseException:
            await abort(producer)
            raise
        self._producers[partition] = producer
        return producer

    async def _reopened(self, partition: int) -> tuple[AIOKafkaProducer, int | None]:
        """A new producer for a partition, and the offset that is committed for it."""
        producer = await self._start(partition)
        committed = await self._confirmed([partition])
        return producer, committed[partition]

    async def _confirmed(self, partitions: Sequence[int]) -> dict[int, int | None]:
        try:
            return await self._confirm(partitions)
        except BaseException as error:
            for partition in partitions:
                if (producer := self._producers.get(partition)) is not None:
                    await self._discard(partition, producer)
            if isinstance(error, CommitFailedError | IllegalStateError):
                raise Abandoned from error
            raise

    async def _discard(self, partition: int, producer: AIOKafkaProducer) -> None:
        if self._producers.get(partition) is producer:
            del self._producers[partition]
        await abort(producer)


async def _as_long_as(keep_trying: Callable[[], bool], waiting: Any) -> None:
    """Wait for something as long as `keep_trying` says so."""
    task = asyncio.ensure_future(waiting)
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=ASK_SECONDS)
            if not task.done() and not keep_trying():
                raise Abandoned
    finally:
        if not task.done():
            task.cancel()
            task.add_done_callback(hear)
    task.result()
