"""Workers as processes, and what stands on their topics: what tests on a real broker need."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from agents.partitioner import partition_of
from agents.shelf import Shelf, read_to_end, reading
from schemas import model as models
from schemas.model import Model
from schemas.profile import is_profile
from schemas.topics import Topics

READY_SECONDS = 60.0
"""How long a worker may take until it is ready: joining a group behind a killed member takes the
session timeout, and a machine under test is slow."""

Sent = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]
"""A record to publish: key, value, headers."""

IDLE_MS = 200
"""How long a poll may wait, in ms: a topic may end in the mark of a transaction, which no poll brings."""

MARKS_SECONDS = 5.0
"""How long nothing may come before what is left is taken for a transaction that a killed worker left open. A
commit is answered before its marks stand on the partitions, and a broker under test is slow."""


class Worker:
    """A `dangol worker` process of its own.

    Args:
        bootstrap: the broker.
        topics: the topics.
        folder: for its state and its log.
        options: further command line options.
        environment: variables beside those that we have.
    """

    def __init__(
        self,
        bootstrap: str,
        topics: Topics,
        folder: Path,
        *options: str,
        environment: dict[str, str] | None = None,
    ) -> None:
        self._command = [
            *(sys.executable, "-m", "agents", "worker"),
            *("--bootstrap", bootstrap, "--prefix", topics.prefix, "--group", f"{topics.prefix}-group"),
            *("--metrics-port", "0", "--session-timeout", "6", "--log", "json"),
            *("--state", str(folder / "state"), *options),
        ]
        folder.mkdir(parents=True, exist_ok=True)
        # A crash below Python is to leave word of where it was.
        self._environment = os.environ | {"PYTHONFAULTHANDLER": "1"} | (environment or {})
        self._log = folder / "worker.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._logged_before = 0

    def start(self) -> Worker:
        """Start the process; it need not be ready yet."""
        self._logged_before = len(self.log())
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, env=self._environment)
        return self

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process."""
        assert self._process is not None
        return self._process

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End it as a power cut would: SIGKILL."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """End it as an orchestrator would: SIGTERM; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def log(self) -> str:
        """What it has logged."""
        return self._log.read_text() if self._log.exists() else ""

    def latest_log(self) -> str:
        """What it has logged since it was started last."""
        return self.log()[self._logged_before :]

    def wait_ready(self) -> Worker:
        """Wait until it has partitions and has recovered them."""
        wait_for(self.is_ready, "the worker to be ready", self)
        return self

    def is_ready(self) -> bool:
        """Whether it says that it is ready."""
        return self._get("/readyz") is not None

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels; 0 where it can't be asked or isn't there."""
        page = self._get("/metrics") or ""
        return sum(
            float(line.rsplit(" ", 1)[1])
            for line in page.splitlines()
            if line.startswith((f"{name} ", f"{name}{{"))
        )

    def _get(self, path: str) -> str | None:
        lines = self.log().splitlines()
        addresses = [
            line.split('"metrics":"')[1].split("/metrics")[0] for line in lines if '"metrics":"' in line
        ]
        address = addresses[-1] if addresses else None
        if address is None:
            return None
        try:
            with urllib.request.urlopen(f"{address}{path}", timeout=5) as answer:
                body: bytes = answer.read()
                return body.decode()
        except (urllib.error.URLError, OSError):
            return None


class Trainer(Worker):
    """A `dangol trainer` process of its own, which publishes within a second of what it learned.

    Args:
        bootstrap: the broker.
        topics: the topics.
        folder: for its log.
        options: further command line options.
    """

    def __init__(self, bootstrap: str, topics: Topics, folder: Path, *options: str) -> None:
        super().__init__(bootstrap, topics, folder)
        self._command = [
            *(sys.executable, "-m", "agents", "trainer", "--bootstrap", bootstrap, "--prefix", topics.prefix),
            *("--metrics-port", "0", "--log", "json", "--seconds", "1", *options),
        ]


FETCH_BYTES = 4 * 1024 * 1024
"""Bytes of a partition fetched at once: a round of chaos reads tens of MB."""


def wait_for(holds: Any, what: str, *workers: Worker, seconds: float = READY_SECONDS) -> None:
    """Wait until a condition holds; a failure shows what the workers logged last."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            logs = "\n".join(worker.log()[-2000:] for worker in workers)
            raise AssertionError(f"waited {seconds:.0f} s for {what}\n{logs}")
        time.sleep(0.1)


def read_all(bootstrap: str, *names: str) -> list[Any]:
    """All committed records of topics, in order within each partition.

    Waits for what stands there when it is called, and whose commit is still being written.
    """
    return asyncio.run(_read_all(bootstrap, names))


def read_profiles(bootstrap: str, topics: Topics) -> list[Any]:
    """The profiles on the changelog, without what else of the workers' state stands there."""
    return [record for record in read_all(bootstrap, topics.profiles) if is_profile(record.key)]


async def _read_all(bootstrap: str, names: Iterable[str]) -> list[Any]:
    consumer = AIOKafkaConsumer(
        *names,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    await consumer.start()
    try:
        ends = await _written(bootstrap, consumer.assignment())
        records: list[Any] = []
        heard = time.monotonic()
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for batch in (await consumer.getmany(timeout_ms=IDLE_MS)).values():
                records.extend(batch)
                heard = time.monotonic()
            if time.monotonic() - heard > MARKS_SECONDS:
                break
        return records
    finally:
        await consumer.stop()


async def _written(bootstrap: str, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
    """Where partitions end, with the records of transactions that are under way."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
        return ends
    finally:
        await consumer.stop()


def in_force(bootstrap: str, topics: Topics) -> Model | None:
    """The churn model in force."""

    async def ask() -> Shelf:
        held = Shelf()
        async with reading(bootstrap, topics.models) as consumer:
            await read_to_end(consumer, held)
        return held

    published = asyncio.run(ask()).in_force
    return None if published is None else models.decode(published.text, topics.models)


def committed(bootstrap: str, group: str) -> int:
    """The sum of a group's committed offsets: records done, on topics read from their beginning."""

    async def ask() -> int:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        try:
            offsets = await admin.list_consumer_group_offsets(group)
        finally:
            await admin.close()
        return sum(max(each.offset, 0) for each in offsets.values())

    return asyncio.run(ask())


def publish(
    bootstrap: str,
    topic: str,
    records: Iterable[Sent],
    partitions: int,
) -> int:
    """Publish (key, value, headers) records in packed batches; how many."""
    return asyncio.run(_publish(bootstrap, topic, records, partitions))


async def _publish(bootstrap: str, topic: str, records: Iterable[Sent], partitions: int) -> int:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", max_batch_size=256 * 1024, max_request_size=2 * 1024 * 1024
    )
    await producer.start()
    count = 0
    batches: dict[int, Any] = {}
    sent = []
    try:
        for key, value, headers in records:
            partition = partition_of(key, partitions) if key is not None else 0
            batch = batches.setdefault(partition, producer.create_batch())
            while batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
                sent.append(await producer.send_batch(batch, topic, partition=partition))
                batch = batches[partition] = producer.create_batch()
            count += 1
        for partition, batch in batches.items():
            sent.append(await producer.send_batch(batch, topic, partition=partition))
        await asyncio.gather(*sent)
    finally:
        await producer.stop()
    return count
