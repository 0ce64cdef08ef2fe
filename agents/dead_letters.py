"""Dead letters: reading their topic up to its end as of now, and publishing them once more.

A letter that is published again is a new record on the touchpoint topic: deduplication looks at it as at any
other, so what was applied already is dropped there. On the dead-letter topic nothing is changed or deleted.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NamedTuple, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, KafkaTimeoutError

from agents import topics as admin
from agents.connection import Broker, Connection, connection_to
from agents.handshake import denial
from agents.publisher import STALL_SECONDS, Publisher
from schemas import deadletter
from schemas.deadletter import Reason
from schemas.errors import BrokerError, InputError
from schemas.topics import Topics
from schemas.touchpoint import MAX_BYTES

UNKNOWN = "unknown"
"""Reason of a record on the dead-letter topic that does not carry the headers of one."""

MAX_ATTEMPTS = 5
"""How often a letter is published again unless forced: what died five times is not mended by a sixth."""

MAX_EXTRA_BYTES = 64 * 1024
"""Largest key and headers of a letter that is published again, in bytes: as large as a touchpoint may be.
Together they stay far below the 1 MiB that a broker takes, so that one letter can't stop all others."""

POLL_MS = 1000
"""How long one look for records waits, in ms."""


class Address(NamedTuple):
    """Where a letter stands on the dead-letter topic.

    >>> str(Address(3, 17))
    '3:17'
    """

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"


@dataclass(frozen=True, slots=True)
class Letter:
    """A record on the dead-letter topic.

    Attributes:
        address: where it stands.
        timestamp: when it was put there, in ms.
        key: its key.
        value: its value.
        headers: its headers, the original ones first.
        reason: why it is here; None if it is none of ours.
    """

    address: Address
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    reason: Reason | None

    @property
    def code(self) -> str:
        """The reason's code, or `unknown`."""
        return UNKNOWN if self.reason is None else self.reason.code

    @property
    def size(self) -> int:
        """Bytes of its value."""
        return len(self.value or b"")

    @property
    def attempts(self) -> int:
        """How often it was published again before it died this time."""
        return deadletter.attempts_of(self.headers)


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the dead-letter topic.

    Attributes:
        starts: first offset of each partition.
        ends: the offset after the last one of each partition.
        since: letters put there before are left out, in ms; None: none are.
    """

    starts: dict[TopicPartition, int]
    ends: dict[TopicPartition, int]
    since: int | None

    @property
    def length(self) -> int:
        """How many offsets there are."""
        return sum(max(end - self.starts[partition], 0) for partition, end in self.ends.items())


def refusal(letter: Letter, *, force: bool = False) -> tuple[str, str] | None:
    """Why a letter can't be published again, as a code and one line; None if it can.

    Args:
        letter: the letter.
        force: however often it was tried.
    """
    if letter.reason is None:
        return UNKNOWN, "it does not carry the headers of a dead letter"
    if letter.reason.stage == deadletter.STATE:
        return "no-touchpoint", "it is a stored profile that could not be read"
    return _beyond_limits(letter, force=force)


def _beyond_limits(letter: Letter, *, force: bool) -> tuple[str, str] | None:
    told = {name for name, _ in letter.headers}
    if told.intersection(deadletter.SHORTENED):
        return "shortened", "part of it was cut when it was put here, as it was too large"
    if letter.size > MAX_BYTES:
        return "too-large", f"its {letter.size:,} bytes are more than a touchpoint may have ({MAX_BYTES:,})"
    extra = len(letter.key or b"") + sum(len(name) + len(value or b"") for name, value in letter.headers)
    if extra > MAX_EXTRA_BYTES:
        return "too-large", f"key and headers have {extra:,} bytes, the limit is {MAX_EXTRA_BYTES:,}"
    if letter.attempts >= MAX_ATTEMPTS and not force:
        return "attempts", f"it was replayed {letter.attempts} times and died each time; --force tries again"
    return None


class DeadLetters:
    """Reads the dead-letter topic without a group; an async context manager.

    Args:
        broker: how to reach the broker.
        topics: the topics of the deployment.

    Raises:
        InputError: the broker's address or a file of the connection can't be used.
        BrokerError: the broker can't be reached, refuses us, or is silent for `STALL_SECONDS`.
        TopicError: the dead-letter topic is missing.
    """

    def __init__(self, broker: Broker, topics: Topics) -> None:
        self._connection = connection_to(broker)
        self._topics = topics
        self._topic = topics.dead_letters
        self._partitions: list[TopicPartition] = []
        self._consumer: Any = None

    async def __aenter__(self) -> Self:
        findings = await admin.inspect(self._connection, self._topics)
        missing = [one for one in findings if one.code in {"denied", "missing"} and one.topic == self._topic]
        admin.refuse(self._connection, missing)
        count = await admin.partitions_of(self._connection, self._topic)
        self._partitions = [TopicPartition(self._topic, number) for number in range(count)]
        self._consumer = AIOKafkaConsumer(
            **self._connection.options(),
            client_id="dangol-dlq",
            group_id=None,
            enable_auto_commit=False,
            isolation_level="read_committed",
            # Retention may delete what we were about to read.
            auto_offset_reset="earliest",
            request_timeout_ms=int(STALL_SECONDS * 1000),
        )
        try:
            await self._consumer.start()
            # A task of aiokafka's has to have begun before it may be cancelled, or stopping ends there.
            await asyncio.sleep(0)
        except (KafkaError, OSError) as error:
            await self._stop()
            raise _failure(self._connection, error) from None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def _stop(self) -> None:
        # Without a broker aiokafka may end in cancelling a task of its own, which would pass for ours.
        await asyncio.gather(self._consumer.stop(), return_exceptions=True)

    async def span(self, since: int | None = None) -> Span:
        """The topic from its beginning, or from a time on, to its end as of now.

        Args:
            since: ms since 1970.

        Raises:
            BrokerError: the broker does not tell.
        """
        try:
            starts = await self._consumer.beginning_offsets(self._partitions)
            ends = await self._consumer.end_offsets(self._partitions)
            if since is not None:
                # Kafka takes no time before 1970; all letters are later.
                found = await self._consumer.offsets_for_times(dict.fromkeys(self._partitions, max(since, 0)))
                starts |= {tp: ends[tp] if first is None else first.offset for tp, first in found.items()}
        except (KafkaError, OSError) as error:
            raise _failure(self._connection, error) from None
        return Span(starts, ends, since)

    async def letters(self, span: Span) -> AsyncGenerator[Letter, None]:
        """The letters of a span; in order within a partition.

        Raises:
            BrokerError: the broker is silent for `STALL_SECONDS` while there is more to come.
        """
        consumer = self._consumer
        left = [tp for tp, end in span.ends.items() if span.starts[tp] < end]
        try:
            if left:
                consumer.assign(left)
            for partition in left:
                consumer.seek(partition, span.starts[partition])
            silent = 0.0
            while left:
                batches = await consumer.getmany(*left, timeout_ms=POLL_MS)
                for partition, records in batches.items():
                    for record in records:
                        # Times on a topic need not rise, so what the broker found is looked at again.
                        young = span.since is None or record.timestamp >= span.since
                        if young and record.offset < span.ends[partition]:
                            yield _letter(record)
                before = left
                left = [tp for tp in left if await consumer.position(tp) < span.ends[tp]]
                if len(left) < len(before) and left:
                    consumer.pause(*set(before).difference(left))
                silent = 0.0 if batches else silent + POLL_MS / 1000
                if silent >= STALL_SECONDS and left:
                    raise TimeoutError
        except (KafkaError, OSError, TimeoutError) as error:
            raise _failure(self._connection, error) from None

    async def at(self, address: Address) -> Letter:
        """The letter at an address.

        Raises:
            InputError: there is none.
            BrokerError: the broker does not answer.
        """
        partition = TopicPartition(self._topic, address.partition)
        if partition not in self._partitions:
            have = f"partitions 0 to {len(self._partitions) - 1}"
            raise InputError(f"{self._topic} has {have}, so there is no letter {address}")
        try:
            start = (await self._consumer.beginning_offsets([partition]))[partition]
            end = (await self._consumer.end_offsets([partition]))[partition]
            if not start <= address.offset < end:
                have = f"offsets {start} to {end - 1}" if start < end else "nothing"
                where = f"partition {address.partition} of {self._topic}"
                raise InputError(f"{where} holds {have}, so there is no letter {address}")
        except (KafkaError, OSError) as error:
            raise _failure(self._connection, error) from None
        alone = Span({partition: address.offset}, {partition: address.offset + 1}, None)
        async with aclosing(self.letters(alone)) as letters:
            async for letter in letters:
                return letter
        raise InputError(f"{self._topic} holds no record at {address}, only a mark of a transaction")


async def publish_again(letter: Letter, topics: Topics, publisher: Publisher) -> None:
    """Publish a letter for which there is no `refusal` to the touchpoint topic again.

    It goes where its key belongs; without a key where it was, so that order is kept.

    Raises:
        BrokerError: as `Publisher.send`.
        TopicError: as `Publisher.send`.
    """
    await publisher.send(
        letter.key,
        letter.value,
        deadletter.headers_again(letter.headers, topics.dead_letters, *letter.address),
        letter.reason.origin.partition if letter.reason else 0,
    )


def died_again(letter: Letter, topics: Topics) -> Address | None:
    """The address of the letter that this one was before it was published again and died once more."""
    told = (dict(letter.headers).get(deadletter.REPLAYED) or b"").decode("utf-8", "replace")
    place = told.removeprefix(f"{topics.dead_letters}-")
    partition, found, offset = place.partition("@")
    if letter.reason is None or place == told or not found:
        return None
    try:
        return Address(int(partition), int(offset))
    except ValueError:
        return None


def _letter(record: Any) -> Letter:
    reason = deadletter.origin_of(record.headers)
    where = Address(record.partition, record.offset)
    return Letter(where, record.timestamp, record.key, record.value, record.headers, reason)


def _failure(connection: Connection, error: BaseException) -> BrokerError:
    if denied := denial(connection, error, "read the dead letters"):
        return denied
    if isinstance(error, TimeoutError | KafkaTimeoutError):
        return BrokerError(f"the broker at {connection} has not answered for {STALL_SECONDS:.0f} s")
    # aiokafka's errors name themselves.
    reason = str(error).rstrip(".") or type(error).__name__
    return BrokerError(f"the broker at {connection} failed: {reason}")
