"""Past: what stands on topics already, read from some time on to their end as of now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, KafkaTimeoutError

from agents import topics as admin
from agents.connection import Broker, connection_to
from agents.handshake import denial
from agents.partitioner import partition_of
from schemas.errors import BrokerError
from schemas.topics import Topics

POLL_MS = 1_000
"""How long one look for records waits, in ms."""

STALL_SECONDS = 30.0
"""Seconds without a record, while there are more, after which the broker is given up."""

FETCH_BYTES = 4 * 1024 * 1024
"""Bytes of a partition fetched at once: what is looked through for one customer is long."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of some topics.

    Attributes:
        starts: first offset of each partition.
        ends: the offset after the last one of each partition.
    """

    starts: dict[TopicPartition, int]
    ends: dict[TopicPartition, int]

    @property
    def length(self) -> int:
        """How many offsets there are."""
        return sum(max(end - self.starts[partition], 0) for partition, end in self.ends.items())


class Past:
    """Reads what topics hold, for someone who looks back.

    Args:
        broker: how to reach the broker.
        topics: the topics of the deployment.
        names: which of them are to be read.
        client: what we call ourselves.
        what: what is read, in words, for errors; the topics' names where it isn't said.

    Raises:
        InputError: the broker's address or a file of the connection can't be used.
        BrokerError: the broker can't be reached, refuses us (`AccessError`), or is silent for
            `STALL_SECONDS`.
        TopicError: a topic is missing.
    """

    def __init__(
        self,
        broker: Broker,
        topics: Topics,
        names: Sequence[str],
        *,
        client: str = "dangol-past",
        what: str | None = None,
    ) -> None:
        self._connection = connection_to(broker)
        self._client = client
        self._what = what or " and ".join(names)
        self._topics = topics
        self._names = names
        self._count = 0
        self._consumer: Any = None

    async def __aenter__(self) -> Self:
        findings = await admin.inspect(self._connection, self._topics)
        unseen = [one for one in findings if one.code in {"denied", "missing"} and one.topic in self._names]
        admin.refuse(self._connection, unseen)
        # Every topic has as many, or no worker would have started.
        self._count = await admin.partitions_of(self._connection, self._names[0])
        self._consumer = AIOKafkaConsumer(
            **self._connection.options(),
            client_id=self._client,
            group_id=None,
            enable_auto_commit=False,
            isolation_level="read_committed",
            # Retention may delete what we were about to read.
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=FETCH_BYTES,
            request_timeout_ms=int(STALL_SECONDS * 1_000),
        )
        try:
            await self._consumer.start()
            # A task of aiokafka's has to have begun before it may be cancelled, or stopping ends there.
            await asyncio.sleep(0)
        except (KafkaError, OSError) as error:
            await self._stop()
            raise self._failure(error) from None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def _stop(self) -> None:
        # Without a broker aiokafka may end in cancelling a task of its own, which would pass for ours.
        await asyncio.gather(self._consumer.stop(), return_exceptions=True)

    async def stretch(
        self, names: Sequence[str], customer: str | None = None, since: int | None = None
    ) -> Stretch:
        """Topics from their beginning, or from a time on, to their end as of now.

        Args:
            names: which topics.
            customer: only the partition that this customer's records stand on.
            since: from the first record on that was written then or later, in ms.

        Raises:
            BrokerError: the broker does not tell.
        """
        numbers = range(self._count) if customer is None else [partition_of(customer.encode(), self._count)]
        partitions = [TopicPartition(name, number) for name in names for number in numbers]
        try:
            starts = await self._consumer.beginning_offsets(partitions)
            ends = await self._consumer.end_offsets(partitions)
            if since is not None:
                # Kafka takes no time before 1970; all records are later.
                found = await self._consumer.offsets_for_times(dict.fromkeys(partitions, max(since, 0)))
                starts |= {tp: ends[tp] if first is None else first.offset for tp, first in found.items()}
        except (KafkaError, OSError) as error:
            raise self._failure(error) from None
        return Stretch(starts, ends)

    async def records(self, stretch: Stretch) -> AsyncGenerator[Sequence[Any], None]:
        """The records of a stretch, some at a time and all of one partition; in order within a partition.

        Raises:
            BrokerError: the broker is silent for `STALL_SECONDS` while there is more to come.
        """
        consumer = self._consumer
        left = [tp for tp, end in stretch.ends.items() if stretch.starts[tp] < end]
        try:
            if left:
                consumer.assign(left)
            for partition in left:
                consumer.seek(partition, stretch.starts[partition])
            silent = 0.0
            while left:
                batches = await consumer.getmany(*left, timeout_ms=POLL_MS)
                for partition, records in batches.items():
                    end = stretch.ends[partition]
                    yield records if records[-1].offset < end else [r for r in records if r.offset < end]
                before = left
                left = [tp for tp in left if await consumer.position(tp) < stretch.ends[tp]]
                if len(left) < len(before) and left:
                    consumer.pause(*set(before).difference(left))
                silent = 0.0 if batches else silent + POLL_MS / 1_000
                if silent >= STALL_SECONDS and left:
                    raise TimeoutError
        except (KafkaError, OSError, TimeoutError) as error:
            raise self._failure(error) from None

    async def latest(
        self, topic: str, look: Callable[[str, int, int], None]
    ) -> AsyncGenerator[dict[bytes, bytes | None], None]:
        """The latest value of each key of a compacted topic, one partition after another.

        Args:
            topic: the topic.
            look: hears of the topic, of how many records there are, and of how many more were read.

        Raises:
            BrokerError: the broker is silent for `STALL_SECONDS` while there is more to come.
        """
        whole = await self.stretch([topic])
        for partition, end in whole.ends.items():
            values: dict[bytes, bytes | None] = {}
            alone = Stretch({partition: whole.starts[partition]}, {partition: end})
            async with aclosing(self.records(alone)) as batches:
                async for records in batches:
                    values.update((record.key, record.value) for record in records)
                    look(topic, whole.length, len(records))
            yield values

    def _failure(self, error: BaseException) -> BrokerError:
        if denied := denial(self._connection, error, f"read {self._what}"):
            return denied
        if isinstance(error, TimeoutError | KafkaTimeoutError):
            return BrokerError(f"the broker at {self._connection} has not answered for {STALL_SECONDS:.0f} s")
        # aiokafka's errors name themselves.
        reason = str(error).rstrip(".") or type(error).__name__
        return BrokerError(f"the broker at {self._connection} failed: {reason}")
