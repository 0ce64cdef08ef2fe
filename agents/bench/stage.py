"""Stage: the topics that one contestant works on, seen from outside, by the broker's own clock.

All topics that a contestant writes to are stamped by the broker as it appends (`LogAppendTime`), and
so is a record of ours at the start: both ends of a measurement are the broker's, in milliseconds,
and nothing in the contestant has to tell the time. A broker that can't (the embedded one) leaves the
time at which a record was made, a few milliseconds before.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Any, Self

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from agents import topics as admin
from agents.bench.assignment import Assignment
from agents.bench.workload import Expected, Record
from schemas import profile
from schemas.errors import DangolError
from schemas.topics import TopicSpec
from schemas.trigger import TriggerEvent

BATCH_BYTES = 256 * 1024
"""Largest batch of the load, in bytes."""

READ_MS = 200
"""How long a read waits for more, in ms; all there is to read is there."""

READ_SECONDS = 120.0
"""How long reading a contestant's topics to their ends may take."""

LOG_APPEND_TIME = 1
"""Kafka's number for times that are the broker's."""

_decode_trigger = msgspec.json.Decoder(TriggerEvent).decode


class Found(msgspec.Struct):
    """What stands on a contestant's topics.

    Attributes:
        last: time of the last record of all, in ms.
        broker_time: whether times are the broker's.
        made: what a contestant should have made, as `Expected` has it.
        repeated: triggers that stand there more than once.
    """

    last: int
    broker_time: bool
    made: Expected
    repeated: int


class Stage:
    """The topics of one contestant, as an async context manager; they are deleted in the end.

    Args:
        assignment: what the contestant was told.
        changelog: the topic that its state goes to.
    """

    def __init__(self, assignment: Assignment, changelog: str) -> None:
        self._assignment = assignment
        self._changelog = changelog
        self._topics = assignment.topics
        self._stopwatch = f"{assignment.prefix}-stopwatch"
        self._admin = AIOKafkaAdminClient(bootstrap_servers=assignment.bootstrap)
        # Made now and started later, as all clients of aiokafka are.
        self._producer = AIOKafkaProducer(
            bootstrap_servers=assignment.bootstrap, acks="all", max_batch_size=BATCH_BYTES
        )
        self._eye = AIOKafkaConsumer(bootstrap_servers=assignment.bootstrap)

    async def __aenter__(self) -> Self:
        try:
            await self._admin.start()
            await self._create()
            await self._producer.start()
            await self._eye.start()
        except BaseException:
            for client in (self._eye, self._producer):
                await client.stop()
            await self._admin.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._eye.stop()
        await self._producer.stop()
        try:
            ours = [
                name
                for name in await self._admin.list_topics()
                if name.startswith(self._assignment.prefix) or name == self._changelog
            ]
            await self._admin.delete_topics(ours)
        finally:
            await self._admin.close()

    async def _create(self) -> None:
        stamped = {"message.timestamp.type": "LogAppendTime"}
        specs = {spec.name: spec for spec in self._topics.specs}
        specs.setdefault(self._changelog, TopicSpec(self._changelog, compacted=True))
        count = self._assignment.partitions
        wanted = [
            NewTopic(
                name,
                count,
                1,
                topic_configs=spec.config | (stamped if name != self._topics.touchpoints else {}),
            )
            for name, spec in specs.items()
        ]
        wanted.append(NewTopic(self._stopwatch, 1, 1, topic_configs=stamped))
        await self._admin.create_topics(wanted)
        # All are there; this waits until every partition has a leader.
        await admin.create(self._assignment.bootstrap, self._topics, count)

    async def publish(self, topic: str, records: Iterable[Record]) -> None:
        """Append records to a topic, each to its partition, in full batches."""
        await asyncio.gather(*await self.hand_over(topic, records))

    async def hand_over(self, topic: str, records: Iterable[Record]) -> list[asyncio.Future[Any]]:
        """Have records appended, in full batches; whoever asks waits until they are."""
        batches: dict[int, Any] = {}
        sent = []
        for record in records:
            batch = batches.get(record.partition)
            if batch is None:
                batch = batches[record.partition] = self._producer.create_batch()
            while batch.append(key=record.key, value=record.value, timestamp=None) is None:
                sent.append(await self._producer.send_batch(batch, topic, partition=record.partition))
                batch = batches[record.partition] = self._producer.create_batch()
        for partition, batch in batches.items():
            sent.append(await self._producer.send_batch(batch, topic, partition=partition))
        return sent

    async def records(self, topic: str) -> list[Any]:
        """All that stands on a topic.

        Raises:
            DangolError: it can't be read to its end.
        """
        return [record async for record in self._read([topic])]

    async def now(self) -> int:
        """The time in ms, by the clock that stamps what the contestant writes."""
        metadata = await self._producer.send_and_wait(self._stopwatch, b"now")
        stamped = metadata.timestamp_type == LOG_APPEND_TIME and metadata.timestamp is not None
        return int(metadata.timestamp) if stamped else int(time.time() * 1000)

    async def decisions(self) -> int:
        """How many decisions there are; they are read, so only where there are few."""
        return sum([1 async for _ in self._read([self._topics.decisions])])

    async def outputs(self) -> int:
        """A number that grows as the contestant writes.

        The embedded broker leaves the last batch out of its ends but for its first record, so this is
        no count.
        """
        ends: dict[TopicPartition, int] = await self._eye.end_offsets(self._places(self._written))
        return sum(ends.values())

    async def committed(self) -> int:
        """How many touchpoints are committed as done."""
        places = self._places([self._topics.touchpoints])
        held = await self._admin.list_consumer_group_offsets(self._assignment.group, partitions=places)
        return sum(max(offset.offset, 0) for offset in held.values())

    async def found(self) -> Found:
        """Read all that the contestant has written.

        Raises:
            DangolError: it can't be read to its end.
        """
        made = Expected()
        found = Found(0, True, made, 0)  # noqa: FBT003 - a field
        state: dict[bytes, bytes] = {}
        async for record in self._read(self._written):
            found.last = max(found.last, record.timestamp)
            found.broker_time = found.broker_time and record.timestamp_type == LOG_APPEND_TIME
            if record.topic == self._changelog:
                state[record.key] = record.value
            elif record.topic == self._topics.decisions:
                made.decisions += 1
            else:
                id_ = _decode_trigger(record.value).id
                found.repeated += id_ in made.triggers
                made.triggers.add(id_)
        profiles = (profile.decode(value) for key, value in state.items() if profile.is_profile(key))
        made.touchpoints = {held.customer: held.touchpoints for held in profiles}
        return found

    @property
    def _written(self) -> list[str]:
        return [self._topics.decisions, *self._topics.triggers, self._changelog]

    def _places(self, names: Iterable[str]) -> list[TopicPartition]:
        return [
            TopicPartition(name, number) for name in names for number in range(self._assignment.partitions)
        ]

    async def _read(self, names: Iterable[str]) -> AsyncIterator[Any]:
        # A consumer of its own: one that has nothing assigned fetches nothing while a contestant runs.
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._assignment.bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(consumer)
            places = self._places(names)
            consumer.assign(places)
            ends = await consumer.end_offsets(places)
            deadline = time.monotonic() + READ_SECONDS
            while any([await consumer.position(place) < end for place, end in ends.items()]):
                if time.monotonic() > deadline:
                    raise DangolError(f"{self._changelog} and others can't be read to their ends")
                for records in (await consumer.getmany(timeout_ms=READ_MS)).values():
                    for record in records:
                        yield record


def fault(expected: Expected, found: Found) -> str | None:
    """What is wrong with what a contestant made, in a few words; None if it is right.

    >>> right = Expected(1, {"a"}, {"ann": 2})
    >>> fault(right, Found(0, True, right, 0))
    >>> fault(right, Found(0, True, Expected(1, {"a"}, {"ann": 1}), 0))
    'another count of touchpoints for 1 of 1 customers'
    """
    made = found.made
    if missing := len(expected.triggers - made.triggers):
        return f"{missing} of {len(expected.triggers)} triggers missing"
    if surplus := len(made.triggers - expected.triggers) + found.repeated:
        return f"{surplus} triggers too many"
    if made.decisions != expected.decisions:
        return f"{made.decisions} decisions instead of {expected.decisions}"
    customers = expected.touchpoints.keys() | made.touchpoints.keys()
    if wrong := sum(expected.touchpoints.get(name) != made.touchpoints.get(name) for name in customers):
        return f"another count of touchpoints for {wrong} of {len(customers)} customers"
    return None
