"""Outbox: what a batch publishes, packed by topic and partition, acknowledged before anything else.

Records of one destination go out as few, full Kafka batches (`create_batch`, `send_batch`):
twenty times cheaper than one `send` each. The producer is idempotent with `acks=all`. A publish
that fails is tried again with a fresh producer until it succeeds or the batch is given up
because its partition has gone; it is never dropped. What was given up never arrives later: an old
profile behind a newer one would be the truth for whoever recovers next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from agents.lane import abort
from agents.metrics import Metrics
from agents.producer import start_producer
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

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 15.0
"""Seconds between tries: doubling from the first, up to the longest."""

log = structlog.get_logger("dangol.outbox")


@dataclass(slots=True)
class Record:
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
class _Destination:
    """What is still to be acknowledged of one topic and partition, in order."""

    topic: str
    partition: int
    records: list[Record]
    singly: bool = False


@dataclass(slots=True)
class _Flight:
    """A batch that was handed over: how many records, and what tells of its acknowledgement."""

    records: int
    future: asyncio.Future[Any]


class Abandoned(Exception):  # noqa: N818 - nothing went wrong: the batch is someone else's now
    """The batch was given up, because its partition was revoked or the worker stops."""


class Outbox:
    """Publishes records and waits until the broker has acknowledged them.

    Args:
        bootstrap: a broker's address, `host:port`.
        client_id: how the broker's logs call us.
        metrics: where retries are counted.
    """

    def __init__(self, bootstrap: str, client_id: str, metrics: Metrics) -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._metrics = metrics
        self._producer: AIOKafkaProducer | None = None
        self._connecting = asyncio.Lock()

    async def start(self) -> None:
        """Connect.

        Raises:
            KafkaError: the broker can't be reached.
        """
        await self._connected()

    async def stop(self) -> None:
        """Disconnect; what is not acknowledged by now is given up."""
        if self._producer is not None:
            await self._discard(self._producer)

    async def send(self, records: Iterable[Record], keep_trying: Callable[[], bool]) -> dict[str, int]:
        """Publish records and wait for the acknowledgement of all.

        Args:
            records: what to publish; the order is kept within a topic and partition.
            keep_trying: asked before every try, and every second while one lasts.

        Returns:
            The offset of the last record by topic (of its last partition).

        Raises:
            Abandoned: `keep_trying` said no.
            TopicError: a topic takes no record of a size that has to be.
        """
        grouped: dict[tuple[str, int], list[Record]] = {}
        for record in records:
            grouped.setdefault((record.topic, record.partition), []).append(record)
        destinations = [_Destination(*where, wanted) for where, wanted in grouped.items()]
        offsets: dict[str, int] = {}
        pause = FIRST_PAUSE
        while destinations:
            if not keep_trying():
                raise Abandoned
            failure = await self._try(destinations, offsets, keep_trying)
            destinations = [destination for destination in destinations if destination.records]
            if failure is not None:
                self._metrics.publish_retries.inc()
                log.warning("publishing failed, trying again", reason=failure, retry_in_seconds=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
        return offsets

    async def _try(
        self, destinations: Sequence[_Destination], offsets: dict[str, int], keep_trying: Callable[[], bool]
    ) -> str | None:
        """Publish once; what was acknowledged leaves its destination. The reason of a failure, or None."""
        flights: list[list[_Flight]] = [[] for _ in destinations]
        failure = None
        producer = None
        try:
            producer = await self._connected()
            for destination, handed_over in zip(destinations, flights, strict=True):
                await _hand_over(producer, destination, handed_over)
            await _acknowledged([flight.future for each in flights for flight in each], keep_trying)
        except (KafkaError, OSError, TimeoutError) as error:
            failure = _reason(error)
        finally:
            # Also when given up or cancelled: nothing of this may arrive later.
            waiting = [flight.future for each in flights for flight in each if not flight.future.done()]
            for future in waiting:
                future.add_done_callback(_hear)
            if producer is not None and waiting:
                await self._discard(producer)
        for destination, handed_over in zip(destinations, flights, strict=True):
            failure = _settle(destination, handed_over, offsets) or failure
        # An idempotent producer that gave a batch up has a hole in its sequence: only a new one goes on.
        if failure is not None and producer is not None:
            await self._discard(producer)
        return failure

    async def _connected(self) -> AIOKafkaProducer:
        async with self._connecting:
            if self._producer is None:
                self._producer = await start_producer(
                    self._bootstrap,
                    self._client_id,
                    max_batch_size=MAX_BATCH_BYTES,
                    max_request_size=MAX_REQUEST_BYTES,
                    request_timeout_ms=REQUEST_TIMEOUT_MS,
                )
            return self._producer

    async def _discard(self, producer: AIOKafkaProducer) -> None:
        # Runs of several partitions share a producer: another may have discarded it before us.
        if self._producer is producer:
            self._producer = None
            await abort(producer)


async def _hand_over(
    producer: AIOKafkaProducer, destination: _Destination, handed_over: list[_Flight]
) -> None:
    """Hand records over as full batches; what was handed over before a failure is noted all the same."""
    topic, partition = destination.topic, destination.partition
    batch = producer.create_batch()
    count = 0
    for record in destination.records:
        while (count and destination.singly) or (
            batch.append(key=record.key, value=record.value, timestamp=None, headers=record.headers) is None
        ):
            handed_over.append(_Flight(count, await producer.send_batch(batch, topic, partition=partition)))
            batch = producer.create_batch()
            count = 0
        count += 1
    handed_over.append(_Flight(count, await producer.send_batch(batch, topic, partition=partition)))


async def _acknowledged(futures: Iterable[asyncio.Future[Any]], keep_trying: Callable[[], bool]) -> None:
    """Wait until each future has a result or an error, as long as `keep_trying` says so."""
    pending = set(futures)
    while pending:
        _, pending = await asyncio.wait(pending, timeout=ASK_SECONDS)
        if pending and not keep_trying():
            raise Abandoned


def _settle(destination: _Destination, flights: Sequence[_Flight], offsets: dict[str, int]) -> str | None:
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
            failure = _reason(error)
            if flight.records > 1:
                destination.singly = True
            elif not _shorten(destination.records[0]):
                raise TopicError(
                    f"topic {destination.topic} refuses a record of {_size(destination.records[0])} bytes; "
                    "set its max.message.bytes higher"
                )
        elif isinstance(error, KafkaError | OSError | TimeoutError):
            failure = _reason(error)
        else:
            raise error
    return failure


def _hear(future: asyncio.Future[Any]) -> None:
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


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".removesuffix(": ")
