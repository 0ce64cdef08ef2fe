"""Recovery: a worker's partitions from the changelog, before the first touchpoint is taken.

With a consumer of our own, and not by Faust's tables: Faust waits for the changelog's last offset, which
in a topic written by transactions is no record, so that it never comes; it reads 6,000 records a second;
and it tells nobody how long that will take. It begins where the store stands: behind a restart with state
on disk, only the tail is read.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from agents.batches import Abandoned, reason
from agents.connection import Broker, connection_to
from agents.consumer import stopped
from agents.metrics import Metrics
from agents.tables.store import ProfileStore

POLL_MS = 200
"""How long one poll may wait, in ms: the end may be a transaction's mark, which no poll brings."""

RECORDS_AT_ONCE = 5_000
"""Records taken by a poll: some 10 ms of work, so that heartbeats and health are answered meanwhile."""

FETCH_BYTES = 4 * 1024 * 1024
"""Bytes of a partition fetched at once: at most this for each of the worker's partitions in memory."""

TELL_SECONDS = 5.0
"""How often the log says how far it is."""

PAUSE_SECONDS = 1.0
"""Pause before the changelog is tried again."""

log = structlog.get_logger("dangol.recovery")


class Recovery:
    """Brings a store up to the end of the changelog.

    Args:
        broker: how to reach the broker.
        changelog: the changelog topic.
        store: what is brought up.
        metrics: where progress is shown.
    """

    def __init__(self, broker: Broker, changelog: str, store: ProfileStore, metrics: Metrics) -> None:
        self._connection = connection_to(broker)
        self._changelog = changelog
        self._store = store
        self._metrics = metrics

    async def recover(self, partitions: Iterable[int], keep_trying: Callable[[], bool]) -> int:
        """Read what the store lacks of these partitions; how many records that was, since the latest try.

        Raises:
            Abandoned: `keep_trying` said no: the partitions are not ours any more.
            StateError: the store can't be written, or stands beyond the changelog's end.
        """
        wanted = sorted(partitions)
        while wanted:
            if not keep_trying():
                raise Abandoned
            try:
                async with self._reading(wanted) as (consumer, ends):
                    return await self._catch_up(consumer, ends, keep_trying)
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning(
                    "reading the changelog failed, going on where it stopped",
                    reason=reason(error),
                    retry_in_seconds=PAUSE_SECONDS,
                )
                await asyncio.sleep(PAUSE_SECONDS)
        return 0

    async def follow(self, partitions: Iterable[int]) -> None:
        """Keep partitions of others up to date, until cancelled.

        Raises:
            StateError: the store can't be written.
        """
        wanted = sorted(partitions)
        while wanted:
            try:
                async with self._reading(wanted) as (consumer, _):
                    while True:
                        self._write(await consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS_AT_ONCE))
                        # Polls that bring something at once would leave no turn to anyone else.
                        await asyncio.sleep(0)
            except (KafkaError, OSError, TimeoutError) as error:
                log.info("following the changelog failed, going on", reason=reason(error))
                await asyncio.sleep(PAUSE_SECONDS)

    @asynccontextmanager
    async def _reading(
        self, partitions: list[int]
    ) -> AsyncIterator[tuple[AIOKafkaConsumer, dict[TopicPartition, int]]]:
        """A consumer that stands where the store does, and the changelog's ends."""
        consumer = AIOKafkaConsumer(
            **self._connection.options(),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_partition_fetch_bytes=FETCH_BYTES,
        )
        await consumer.start()
        try:
            places = [TopicPartition(self._changelog, partition) for partition in partitions]
            consumer.assign(places)
            ends = await consumer.end_offsets(places)
            for place, beginning in (await consumer.beginning_offsets(places)).items():
                consumer.seek(place, self._begin(place.partition, beginning, ends[place]))
            yield consumer, ends
        finally:
            await stopped(consumer)

    def _write(self, fetched: dict[TopicPartition, list[Any]]) -> int:
        """Take over what was fetched; how many records that was."""
        count = 0
        for place, records in fetched.items():
            changes = {record.key: record.value for record in records if record.key is not None}
            self._store.write(place.partition, changes, records[-1].offset)
            count += len(records)
        self._metrics.recovered.inc(count)
        return count

    def _begin(self, partition: int, beginning: int, end: int) -> int:
        """Where to begin: behind what the store holds, or at the changelog's beginning."""
        held = self._store.offset(partition)
        if held is not None and held >= end:
            log.warning(
                "state on disk stands beyond the changelog, which was made anew: it is read again",
                partition=partition,
                held=held,
                end=end,
            )
            self._store.clear(partition)
            held = None
        return beginning if held is None else max(held + 1, beginning)

    async def _catch_up(
        self, consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int], keep_trying: Callable[[], bool]
    ) -> int:
        began = told = time.monotonic()
        first = remaining = await _remaining(consumer, ends)
        count = 0
        while remaining:
            self._metrics.recovery_remaining.set(remaining)
            if not keep_trying():
                raise Abandoned
            fetched = await consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS_AT_ONCE)
            count += self._write(fetched)
            remaining = await _remaining(consumer, ends)
            now = time.monotonic()
            if now - told >= TELL_SECONDS:
                told = now
                seconds = (now - began) * remaining / max(first - remaining, 1)
                log.info("recovering", records=count, remaining=remaining, eta_seconds=round(seconds, 1))
            # Polls that bring something at once would leave no turn to anyone else.
            await asyncio.sleep(0)
        self._metrics.recovery_remaining.set(0)
        return count


async def _remaining(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> int:
    """How many offsets are still to be read; those that compaction took away count too."""
    return sum([max(end - await consumer.position(place), 0) for place, end in ends.items()])
