"""Batches: records packed by topic and partition, handed over and acknowledged.

Records of one destination go out as few, full Kafka batches (`create_batch`, `send_batch`):
twenty times cheaper than one `send` each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from schemas.errors import TopicError

MAX_BATCH_BYTES = 256 * 1024
"""Largest Kafka batch: some 400 decisions; beyond it the gain is below 1 %."""

MAX_REQUEST_BYTES = 2 * 1024 * 1024
"""Largest request, above the broker's default of 1 MiB for a record: a dead letter is a record of
up to that size with more headers than it came with."""

REQUEST_TIMEOUT_MS = 30_000
"""How long one request may take, in ms. An idempotent producer repeats it for as long as it takes."""

ASK_SECONDS = 1.0
"""How often a publish that waits for its acknowledgement asks whether it is still wanted, in seconds."""

SHORTENED_BYTES = 64 * 1024
"""What is left of a dead letter that the broker finds too large, in bytes of its value."""


class Record(msgspec.Struct, gc=False):
    """A record to publish.

    Attributes:
        topic: where to.
        partition: which partition.
        key: the record's key.
        value: the record's value; None is a tombstone.
        headers: the record's headers.
        original: of a dead letter, how many of its headers it came with; they and most of its value
            are left out where the topic takes no record so large. None: all of it or nothing.
    """

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
    original: int | None = None


@dataclass(slots=True)
class Destination:
    """What is still to be acknowledged of one topic and partition, in order."""

    topic: str
    partition: int
    records: list[Record]
    singly: bool = False


@dataclass(slots=True)
class Flight:
    """A batch that was handed over: how many records, and what tells of its acknowledgement."""

    records: int
    future: asyncio.Future[Any]


class Uncertain(Exception):  # noqa: N818 - it may well have gone right
    """A transaction's answer was lost, and with no offset in it none tells whether it went through."""


class Abandoned(Exception):  # noqa: N818 - nothing went wrong: the batch is someone else's now
    """The batch was given up, because its partition was revoked or the worker stops."""


def destinations_of(records: Iterable[Record]) -> list[Destination]:
    """Records by topic and partition, in order."""
    grouped: dict[tuple[str, int], list[Record]] = {}
    for record in records:
        grouped.setdefault((record.topic, record.partition), []).append(record)
    return [Destination(*where, wanted) for where, wanted in grouped.items()]


async def hand_over(producer: AIOKafkaProducer, destination: Destination, handed_over: list[Flight]) -> None:
    """Hand records over as full batches; what was handed over before a failure is noted all the same."""
    topic, partition = destination.topic, destination.partition
    batch = producer.create_batch()
    count = 0
    for record in destination.records:
        while (count and destination.singly) or (
            batch.append(key=record.key, value=record.value, timestamp=None, headers=record.headers) is None
        ):
            handed_over.append(Flight(count, await producer.send_batch(batch, topic, partition=partition)))
            batch = producer.create_batch()
            count = 0
        count += 1
    handed_over.append(Flight(count, await producer.send_batch(batch, topic, partition=partition)))


async def acknowledged(futures: Iterable[asyncio.Future[Any]], keep_trying: Callable[[], bool]) -> None:
    """Wait until each future has a result or an error, as long as `keep_trying` says so."""
    pending = set(futures)
    while pending:
        _, pending = await asyncio.wait(pending, timeout=ASK_SECONDS)
        if pending and not keep_trying():
            raise Abandoned


def settle(destination: Destination, flights: Sequence[Flight], offsets: dict[str, int]) -> str | None:
    """Take out what was acknowledged, up to the first failure: what stays keeps its order.

    The reason of the first failure, or None.
    """
    failure = None
    for flight in flights:
        if not flight.future.done():
            continue
        error = flight.future.exception()
        if failure is not None:
            continue
        if error is None:
            # Below zero where the broker only knows that it has the batch already: then it is asked anew.
            if flight.future.result().offset < 0:
                failure = "the broker does not tell the offset"
                continue
            offsets[destination.topic] = flight.future.result().offset + flight.records - 1
            del destination.records[: flight.records]
        elif isinstance(error, MessageSizeTooLargeError | RecordListTooLargeError):
            failure = reason(error)
            if flight.records > 1:
                destination.singly = True
            elif not _shorten(destination.records[0]):
                raise TopicError(
                    f"topic {destination.topic} refuses a record of {_size(destination.records[0])} bytes; "
                    "set its max.message.bytes higher"
                )
        elif isinstance(error, KafkaError | OSError | TimeoutError):
            failure = reason(error)
        else:
            raise error
    return failure


def hear(future: asyncio.Future[Any]) -> None:
    """Take note of what became of a batch that nobody waits for; asyncio complains of errors unheard."""
    if not future.cancelled():
        future.exception()


def _shorten(record: Record) -> bool:
    """Leave out the largest part of a dead letter that can be spared; False if there is none."""
    if record.original is None:
        return False
    if record.value is not None and len(record.value) > SHORTENED_BYTES:
        record.headers = [*record.headers, ("cx-original-bytes", str(len(record.value)).encode())]
        record.value = record.value[:SHORTENED_BYTES]
    elif record.original:
        record.headers = [
            *record.headers[record.original :],
            ("cx-original-headers", str(record.original).encode()),
        ]
        record.original = 0
    elif record.key is not None:
        record.key = None
    else:
        return False
    return True


def _size(record: Record) -> int:
    headers = sum(len(name) + len(value or b"") for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers


def reason(error: BaseException) -> str:
    """What a log says of an error: its kind and its words."""
    return f"{type(error).__name__}: {error}".removesuffix(": ")
