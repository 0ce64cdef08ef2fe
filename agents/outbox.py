"""Outbox: what a batch publishes, packed by topic and partition, acknowledged before anything else.

Records of one destination go out as few, full Kafka batches (`create_batch`, `send_batch`):
twenty times cheaper than one `send` each. The producer is idempotent with `acks=all`. A publish
that fails is tried again with a fresh producer until it succeeds or the batch is given up
because its partition has gone; it is never dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from agents.metrics import Metrics
from agents.producer import start_producer

MAX_BATCH_BYTES = 256 * 1024
"""Largest Kafka batch: some 400 decisions; beyond it the gain is below 1 %."""

MAX_REQUEST_BYTES = 2 * 1024 * 1024
"""Largest request, above the broker's default of 1 MiB for a record: a dead letter is a record of
up to that size with more headers than it came with."""

REQUEST_TIMEOUT_MS = 30_000
"""How long the producer itself tries before it gives a batch back, in ms."""

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
    """

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


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

    async def start(self) -> None:
        """Connect.

        Raises:
            KafkaError: the broker can't be reached.
        """
        self._producer = await start_producer(
            self._bootstrap,
            self._client_id,
            max_batch_size=MAX_BATCH_BYTES,
            max_request_size=MAX_REQUEST_BYTES,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
        )

    async def stop(self) -> None:
        """Send what is on its way, and disconnect."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    async def send(self, records: Iterable[Record], keep_trying: Callable[[], bool]) -> dict[str, int]:
        """Publish records and wait for the acknowledgement of all.

        Args:
            records: what to publish; the order is kept within a topic and partition.
            keep_trying: asked before every further try.

        Returns:
            The offset of the last record by topic (of its last partition).

        Raises:
            Abandoned: `keep_trying` said no.
        """
        destinations: dict[tuple[str, int], list[Record]] = {}
        for record in records:
            destinations.setdefault((record.topic, record.partition), []).append(record)
        offsets: dict[str, int] = {}
        pause = FIRST_PAUSE
        while destinations:
            if not keep_trying():
                raise Abandoned
            failure = await self._attempt(destinations, offsets)
            if failure is None:
                break
            self._metrics.publish_retries.inc()
            log.warning("publishing failed, trying again", reason=failure, retry_in_seconds=pause)
            await self._discard()
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        return offsets

    async def _attempt(
        self, destinations: dict[tuple[str, int], list[Record]], offsets: dict[str, int]
    ) -> str | None:
        """Publish once; what was acknowledged leaves `destinations`. The reason of a failure, or None."""
        try:
            if self._producer is None:
                await self.start()
            assert self._producer is not None
            sent = {
                destination: await _send_packed(self._producer, *destination, records)
                for destination, records in destinations.items()
            }
        except (KafkaError, OSError, TimeoutError) as error:
            return _reason(error)
        failure = None
        for destination, batches in sent.items():
            results = await asyncio.gather(*(future for future, _ in batches), return_exceptions=True)
            failed = next((result for result in results if isinstance(result, BaseException)), None)
            if failed is None:
                offsets[destination[0]] = results[-1].offset + batches[-1][1] - 1  # type: ignore[union-attr]
                del destinations[destination]
            elif isinstance(failed, MessageSizeTooLargeError):
                _shorten(destinations[destination])
                failure = _reason(failed)
            elif isinstance(failed, KafkaError | OSError | TimeoutError):
                failure = _reason(failed)
            else:
                raise failed
        return failure

    async def _discard(self) -> None:
        # An idempotent producer that gave a batch up has a hole in its sequence: only a new one goes on.
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                await asyncio.wait_for(producer.stop(), LONGEST_PAUSE)
            except (KafkaError, OSError, TimeoutError) as error:
                log.info("the old producer did not close", reason=_reason(error))


async def _send_packed(
    producer: AIOKafkaProducer, topic: str, partition: int, records: list[Record]
) -> list[tuple[asyncio.Future[Any], int]]:
    """Hand records over as full batches; each batch's future and how many records it has."""
    sent = []
    batch = producer.create_batch()
    count = 0
    for record in records:
        while (
            batch.append(key=record.key, value=record.value, timestamp=None, headers=record.headers) is None
        ):
            sent.append((await producer.send_batch(batch, topic, partition=partition), count))
            batch = producer.create_batch()
            count = 0
        count += 1
    sent.append((await producer.send_batch(batch, topic, partition=partition), count))
    return sent


def _shorten(records: list[Record]) -> None:
    # Only a dead letter can be this large: its topic allows less than the one it came from.
    for record in records:
        if record.value is not None and len(record.value) > SHORTENED_BYTES:
            record.headers = [*record.headers, ("cx-original-bytes", str(len(record.value)).encode())]
            record.value = record.value[:SHORTENED_BYTES]


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".removesuffix(": ")
