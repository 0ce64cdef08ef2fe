"""Outbox: what a run publishes outside of transactions, acknowledged before anything else.

The producer is idempotent with `acks=all`. A publish that fails is tried again with a fresh producer
until it succeeds or the run is given up because its partition has gone; it is never dropped. What
was given up never arrives later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from agents.batches import (
    MAX_BATCH_BYTES,
    MAX_REQUEST_BYTES,
    REQUEST_TIMEOUT_MS,
    Abandoned,
    Destination,
    Flight,
    Record,
    acknowledged,
    destinations_of,
    hand_over,
    hear,
    reason,
    settle,
)
from agents.connection import Broker, connection_to
from agents.metrics import Metrics
from agents.producer import abort, start_producer

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 5.0
"""Seconds between tries: doubling from the first, up to the longest."""

log = structlog.get_logger("dangol.outbox")


class Outbox:
    """Publishes records and waits until the broker has acknowledged them.

    Args:
        broker: how to reach the broker.
        client_id: how the broker's logs call us.
        metrics: where retries are counted.
    """

    def __init__(self, broker: Broker, client_id: str, metrics: Metrics) -> None:
        self._connection = connection_to(broker)
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
        destinations = destinations_of(records)
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
        self, destinations: Sequence[Destination], offsets: dict[str, int], keep_trying: Callable[[], bool]
    ) -> str | None:
        """Publish once; what was acknowledged leaves its destination. The reason of a failure, or None."""
        flights: list[list[Flight]] = [[] for _ in destinations]
        failure = None
        producer = None
        try:
            producer = await self._connected()
            for destination, handed_over in zip(destinations, flights, strict=True):
                await hand_over(producer, destination, handed_over)
            await acknowledged([flight.future for each in flights for flight in each], keep_trying)
        except (KafkaError, OSError, TimeoutError) as error:
            failure = reason(error)
        finally:
            # Also when given up or cancelled: nothing of this may arrive later.
            waiting = [flight.future for each in flights for flight in each if not flight.future.done()]
            for future in waiting:
                future.add_done_callback(hear)
            if producer is not None and waiting:
                await self._discard(producer)
        for destination, handed_over in zip(destinations, flights, strict=True):
            failure = settle(destination, handed_over, offsets) or failure
        # An idempotent producer that gave a batch up has a hole in its sequence: only a new one goes on.
        if failure is not None and producer is not None:
            await self._discard(producer)
        return failure

    async def _connected(self) -> AIOKafkaProducer:
        async with self._connecting:
            if self._producer is None:
                self._producer = await start_producer(
                    self._connection,
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
