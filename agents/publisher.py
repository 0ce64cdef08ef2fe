"""Publisher: sends touchpoints from outside to their topic, packed, each customer's in order.

Records for a partition wait up to `LINGER_SECONDS` and go out together (`create_batch`,
`send_batch`): twenty times cheaper than one `send` each.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from aiokafka.errors import BrokerResponseError, KafkaError, KafkaTimeoutError

from agents import topics as admin
from agents.connection import Broker, connection_to
from agents.handshake import denial
from agents.partitioner import partition_of
from agents.producer import start_producer
from schemas.errors import BrokerError, DangolError, TopicError
from schemas.topics import Topics

LINGER_SECONDS = 0.02
"""How long a record may wait for company: unnoticed by whoever follows, and enough at 1,000/s."""

BATCH_BYTES = 128 * 1024
"""Bytes of a full batch: some 600 touchpoints; larger ones were not faster."""

REQUEST_BYTES = 2 * 1024 * 1024
"""Largest request, above the broker's default of 1 MiB for a record, so that it is the broker who refuses."""

MAX_WAITING = 64
"""Batches sent and not yet acknowledged, beyond which sending waits: 8 MiB at most."""

STALL_SECONDS = 30.0
"""How long an acknowledgement may take; a broker that restarts is back before, and what waited is sent."""


CLOSE_SECONDS = 1.0
"""How long closing may take after an error: what is not acknowledged by then was told already."""


class Publisher:
    """Sends records to the touchpoint topic; an async context manager.

    When the context is left without an error, the broker's in-sync replicas have acknowledged all.

    Args:
        broker: how to reach the broker.
        topics: the topics of the deployment.

    Attributes:
        acknowledged: records that the broker has.

    Raises:
        InputError: the broker's address or a file of the connection can't be used.
        BrokerError: the broker can't be reached, refuses us, or is silent for `STALL_SECONDS`.
        TopicError: the touchpoint topic is missing or has another number of partitions than the other topics.
    """

    def __init__(self, broker: Broker, topics: Topics) -> None:
        self.acknowledged = 0
        self._connection = connection_to(broker)
        self._topics = topics
        self._partitions = 0
        self._open: dict[int, Any] = {}
        self._waiting: deque[tuple[asyncio.Future[Any], int]] = deque()
        self._lock = asyncio.Lock()
        self._next_without_key = 0
        self._producer: Any = None
        self._lingering: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        topic = self._topics.touchpoints
        findings = await admin.inspect(self._connection, self._topics)
        admin.refuse(self._connection, [finding for finding in findings if finding.topic == topic])
        try:
            self._producer = await start_producer(
                self._connection,
                "dangol-publish",
                max_batch_size=BATCH_BYTES,
                max_request_size=REQUEST_BYTES,
                request_timeout_ms=int(STALL_SECONDS * 1000),
            )
            self._partitions = len(await self._producer.partitions_for(topic))
        except (KafkaError, OSError) as error:
            raise self._failure(error) from None
        self._lingering = asyncio.create_task(self._linger())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._lingering is not None
        self._lingering.cancel()
        try:
            if error is None:
                await self.flush()
        except DangolError as failure:
            error = failure
            raise
        finally:
            # What the lingering met, if anything, is what the error in hand is about as well.
            await asyncio.gather(self._lingering, return_exceptions=True)
            # Without a broker the producer would wait for ever for what it still holds.
            with suppress(TimeoutError, KafkaError, OSError):
                await asyncio.wait_for(self._producer.stop(), CLOSE_SECONDS if error else STALL_SECONDS)

    async def send(
        self,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
        partition: int | None = None,
    ) -> None:
        """Take a record; it is sent when its batch is full or has waited for `LINGER_SECONDS`.

        Args:
            key: the customer's id as UTF-8; None where it isn't known.
            value: the record's bytes.
            headers: the record's headers.
            partition: where a record without a key goes, counted round; None: anywhere.

        Raises:
            BrokerError: the broker does not answer for `STALL_SECONDS`.
            TopicError: the broker refuses a record.
        """
        if key is not None:
            partition = partition_of(key, self._partitions)
        elif partition is not None:
            partition %= self._partitions
        else:
            self._next_without_key = partition = (self._next_without_key + 1) % self._partitions
        if self._lingering is not None and self._lingering.done():
            self._lingering.result()  # It failed: the broker is gone, and this raises what it met.
        batch = self._open.get(partition)
        record = {"key": key, "value": value, "timestamp": None, "headers": list(headers)}
        if batch is not None and batch.append(**record) is not None:
            return
        async with self._lock:
            await self._dispatch(partition)
            batch = self._open[partition] = self._producer.create_batch()
        batch.append(**record)  # An empty batch takes a record of any size.

    async def flush(self) -> None:
        """Send what waits for company, and wait until all is acknowledged.

        Raises:
            BrokerError: as `send`.
            TopicError: as `send`.
        """
        async with self._lock:
            for partition in list(self._open):
                await self._dispatch(partition)
            await self._settle(0)

    async def _linger(self) -> None:
        while True:
            await asyncio.sleep(LINGER_SECONDS)
            async with self._lock:
                for partition in list(self._open):
                    await self._dispatch(partition)

    async def _dispatch(self, partition: int) -> None:
        """Hand a partition's batch over; under the lock, so that batches keep their order."""
        batch = self._open.pop(partition, None)
        if batch is None:
            return
        count = batch.record_count()
        try:
            future = await asyncio.wait_for(
                self._producer.send_batch(batch, self._topics.touchpoints, partition=partition),
                STALL_SECONDS,
            )
        except (KafkaError, OSError, TimeoutError) as error:
            raise self._failure(error) from None
        future.add_done_callback(_note)
        self._waiting.append((future, count))
        await self._settle(MAX_WAITING)

    async def _settle(self, left: int) -> None:
        """Wait until no more than `left` batches are not acknowledged."""
        waiting = self._waiting
        while waiting and (len(waiting) > left or waiting[0][0].done()):
            future, count = waiting[0]
            try:
                await asyncio.wait_for(asyncio.shield(future), STALL_SECONDS)
            except (KafkaError, OSError, TimeoutError) as error:
                raise self._failure(error) from None
            waiting.popleft()
            self.acknowledged += count

    def _failure(self, error: BaseException) -> BrokerError | TopicError:
        had = f"it had acknowledged {self.acknowledged:,} records"
        if isinstance(error, TimeoutError | KafkaTimeoutError):
            silent = f"has not answered for {STALL_SECONDS:.0f} s"
            return BrokerError(f"the broker at {self._connection} {silent}; {had}")
        # aiokafka's errors name themselves.
        if denied := denial(self._connection, error, f"write to {self._topics.touchpoints}"):
            return denied
        reason = str(error).rstrip(".") or type(error).__name__
        if isinstance(error, BrokerResponseError) and not error.retriable:
            topic = self._topics.touchpoints
            return TopicError(
                f"the broker at {self._connection} refuses records for {topic}: {reason}; {had}"
            )
        return BrokerError(f"the broker at {self._connection} failed: {reason}; {had}")


def _note(future: asyncio.Future[Any]) -> None:
    """Look at a failure, so that asyncio doesn't print those that came after the one that was told."""
    if not future.cancelled():
        future.exception()
