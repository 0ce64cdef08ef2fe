"""Publisher: sends a workload at a steady pace from a thread of its own, whatever the broker does."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from typing import Any, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from agents.partitioner import partition_of
from agents.producer import abort
from tests.cluster import Sent

PACK = 50
"""Records sent at a time: a producer with a linger of some milliseconds."""

BATCH_BYTES = 512 * 1024
"""Largest Kafka batch: any record of a workload fits."""

ANSWER_SECONDS = 15.0
"""How long a pack may take; then it is sent once more by a new producer, and may stand there twice."""

AGAIN_SECONDS = 0.5
"""Pause between two tries."""


class Publisher:
    """Publishes records in order, spread over a number of seconds.

    What a try that failed had sent all the same stands on the topic twice, as with any producer.

    Args:
        bootstrap: the broker.
        topic: where to.
        records: what.
        partitions: of the topic.
        seconds: how long it takes if the broker is there all the time.
    """

    def __init__(
        self, bootstrap: str, topic: str, records: Sequence[Sent], partitions: int, seconds: float
    ) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._records = records
        self._partitions = partitions
        self._pause = seconds * PACK / max(len(records), 1)
        self._given_up = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def start(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    @property
    def running(self) -> bool:
        """Whether there is something left to publish."""
        return self._thread.is_alive()

    def join(self, seconds: float) -> None:
        """Wait for the end.

        Raises:
            AssertionError: it takes longer than this, or failed for good.
        """
        self._thread.join(seconds)
        self._given_up.set()
        assert not self._thread.is_alive(), "the workload could not be published in time"
        assert self._failure is None, f"publishing failed: {self._failure!r}"

    def _run(self) -> None:
        try:
            asyncio.run(self._publish())
        except Exception as error:  # noqa: BLE001 - told where it is waited for
            self._failure = error

    async def _publish(self) -> None:
        # A producer that is given up leaves futures of its own behind that nobody asks.
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        producer = None
        due = time.monotonic()
        for start in range(0, len(self._records), PACK):
            pack = self._records[start : start + PACK]
            while True:
                if self._given_up.is_set():
                    return
                try:
                    producer = producer or await self._connected()
                    await asyncio.wait_for(self._send(producer, pack), ANSWER_SECONDS)
                    break
                except (KafkaError, OSError, TimeoutError):
                    if producer is not None:
                        await abort(producer)
                    producer = None
                    await asyncio.sleep(AGAIN_SECONDS)
            due += self._pause
            await asyncio.sleep(max(due - time.monotonic(), 0))
        if producer is not None:
            await producer.stop()

    async def _connected(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            acks="all",
            enable_idempotence=True,
            max_batch_size=BATCH_BYTES,
            max_request_size=4 * BATCH_BYTES,
        )
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        return producer

    async def _send(self, producer: AIOKafkaProducer, pack: Sequence[Sent]) -> None:
        batches: dict[int, Any] = {}
        sent: list[asyncio.Future[Any]] = []

        async def hand_over(partition: int) -> None:
            future = await producer.send_batch(batches.pop(partition), self._topic, partition=partition)
            # Also when the try is given up, or asyncio complains that nobody asked.
            future.add_done_callback(_hear)
            sent.append(future)

        for number, (key, value, headers) in enumerate(pack):
            partition = number % self._partitions if key is None else partition_of(key, self._partitions)
            while True:
                batch = batches.setdefault(partition, producer.create_batch())
                if batch.append(key=key, value=value, timestamp=None, headers=headers) is not None:
                    break
                await hand_over(partition)
        for partition in list(batches):
            await hand_over(partition)
        await asyncio.gather(*sent)


def _hear(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
