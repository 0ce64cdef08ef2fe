"""Trainer: one process that learns from all examples, and publishes what it has learned.

It goes on from the model in force, which says up to which example of each partition was learned: so a restart
loses nothing and learns nothing twice. Where the broker fails, it begins anew from there.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry, disable_created_metrics

from agents import models, topics
from agents.batches import reason
from agents.connection import Connection
from agents.handshake import denial
from agents.health import Health, HealthServer
from agents.metrics import count_all
from agents.producer import start_producer
from agents.shelf import Shelf, read_to_end, reading
from agents.training_metrics import TrainingMetrics
from schemas import example
from schemas import model as codec
from schemas.edition import CURRENT, KEPT, PARTITION
from schemas.errors import AccessError, BrokerError, InputError, TopicError
from schemas.example import ExampleEvent
from schemas.model import MAX_BYTES, Model, new_model
from schemas.topics import Topics
from stream.churn.learner import BATCH, Learner

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

POLL_MS = 500
"""How long one look for examples waits, in ms."""

AGAIN_SECONDS = 5.0
"""Pause before it is begun anew after the broker failed."""

SHOWN_SECONDS = 5.0
"""How old gauges become: to reckon them over the latest examples takes some ms."""

log = structlog.get_logger("dangol.trainer")


@dataclass(frozen=True, slots=True)
class TrainerSettings:
    """What a trainer is told from outside.

    Attributes:
        connection: how to reach the broker.
        topics: the topics of this deployment.
        every: examples after which a model is published.
        seconds: seconds after which one is published, if anything was learned.
        metrics_host: address that metrics and health bind to.
        metrics_port: port of metrics and health; 0 picks a free one.
    """

    connection: Connection = field(default_factory=Connection)
    topics: Topics = field(default_factory=Topics)
    every: int = 1_000
    seconds: float = 300.0
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 9465


class Trainer:
    """Learns from records of the examples' topic.

    Args:
        metrics: where it is told how good it is.
        published: the model to go on from; None begins with nothing.

    Attributes:
        learner: what was learned.
        offsets: by partition, the offset of the first example that was not learned from.
        number: how many models were published.
        unpublished: examples learned from since.

    Raises:
        InputError: the model can't be gone on from.
    """

    def __init__(self, metrics: TrainingMetrics, published: Model | None = None) -> None:
        self.learner = Learner()
        self.offsets: dict[int, int] = {}
        self.number = self.unpublished = 0
        self._metrics = metrics
        if published is not None:
            try:
                self.learner.restore({"scorer": published.scorer, "trainer": published.trainer})
            except ValueError as error:
                raise InputError(f"{published.version} can't be gone on from: {error}") from None
            self.offsets, self.number = dict(published.offsets), published.number

    def take(self, records: Sequence[Any]) -> None:
        """Learn from records, at most `BATCH` of them."""
        batch: list[ExampleEvent] = []
        for record in records:
            self.offsets[record.partition] = record.offset + 1
            try:
                batch.append(example.decode(record.value or b""))
            except msgspec.DecodeError:
                self._metrics.refused.labels("unreadable").inc()
        taken = self.learner.take(batch)
        metrics = self._metrics
        self.unpublished += taken.learned
        metrics.examples.labels("true").inc(taken.churned)
        metrics.examples.labels("false").inc(taken.learned - taken.churned)
        count_all(metrics.refused, Counter({(why,): number for why, number in taken.refused.items()}))
        if taken.spoiled:
            metrics.batches_refused.labels(taken.spoiled).inc()
            metrics.refused.labels("batch").inc(len(batch) - sum(taken.refused.values()))
            log.error(
                "a batch of examples was refused, what was learned before stays",
                reason=taken.spoiled,
                examples=len(batch),
                places=_places(records),
            )
        for of in taken.drifts:
            metrics.drifts.labels(of).inc()
            log.warning("drift: what customers do has changed", of=of, learned=self.learner.learned)
        if taken.anew:
            log.info("learning of another horizon from here on", horizon_s=self.learner.horizon_s)

    def model(self) -> Model:
        """What was learned by now, as the next version."""
        snapshot = self.learner.snapshot()
        return new_model(
            self.number + 1,
            self.learner.horizon_s,
            self.learner.learned,
            dict(sorted(self.offsets.items())),
            snapshot["scorer"],
            snapshot["trainer"],
        )


def _places(records: Sequence[Any]) -> dict[str, list[int]]:
    """First and last offset of records, by partition."""
    places: dict[str, list[int]] = {}
    for record in records:
        places.setdefault(str(record.partition), [record.offset, record.offset])[1] = record.offset
    return places


async def run(settings: TrainerSettings) -> None:
    """Learn until SIGTERM or SIGINT.

    Raises:
        BrokerError: no broker answers at first, or it refuses us (`AccessError`).
        TopicError: a topic is missing, or another trainer is at work.
        InputError: the metrics port is taken, or the model in force can't be gone on from.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    disable_created_metrics()  # type: ignore[no-untyped-call]
    metrics = TrainingMetrics(CollectorRegistry())
    health = Health()
    server = HealthServer(
        settings.metrics_host, settings.metrics_port, health, metrics.registry, lambda: None
    )
    port = await server.start()
    log.info(
        "starting",
        broker=settings.connection.bootstrap,
        examples=settings.topics.examples,
        metrics=f"http://{settings.metrics_host}:{port}/metrics",
    )
    was_ready = False
    try:
        while not stop.is_set():
            try:
                await topics.partitions_of(settings.connection, settings.topics.models)
                partitions = await topics.partitions_of(settings.connection, settings.topics.examples)
                async with _clients(settings) as clients:
                    session = await Session.begun(settings, metrics, partitions, *clients)
                    health.ready = was_ready = True
                    await session.learn(stop)
            except (KafkaError, BrokerError, OSError, TimeoutError) as error:
                if isinstance(error, AccessError) or (isinstance(error, BrokerError) and not was_ready):
                    raise
                if denied := denial(settings.connection, error, "learn"):
                    raise denied from None
                health.ready = False
                log.warning(
                    "lost the broker, going on from the model in force",
                    reason=reason(error),
                    retry_in_seconds=AGAIN_SECONDS,
                )
                await _sleep(stop, AGAIN_SECONDS)
    finally:
        await server.stop()
    log.info("stopped")


class Session:
    """A trainer that is connected.

    Args:
        settings: what it is told from outside.
        metrics: where it tells how it is.
        trainer: what learns.
        consumer: reads examples.
        following: reads models.
        producer: publishes them.
        shelf: the models that are on their topic.
    """

    def __init__(
        self,
        settings: TrainerSettings,
        metrics: TrainingMetrics,
        trainer: Trainer,
        consumer: AIOKafkaConsumer,
        following: AIOKafkaConsumer,
        producer: AIOKafkaProducer,
        shelf: Shelf,
    ) -> None:
        self.trainer = trainer
        self._settings = settings
        self._metrics = metrics
        self._consumer = consumer
        self._following = following
        self._producer = producer
        self._shelf = shelf
        self._published = self._shown = time.monotonic()

    @classmethod
    async def begun(
        cls,
        settings: TrainerSettings,
        metrics: TrainingMetrics,
        partitions: int,
        consumer: AIOKafkaConsumer,
        following: AIOKafkaConsumer,
        producer: AIOKafkaProducer,
    ) -> Session:
        """Go on from the model in force.

        Raises:
            InputError: it can't be gone on from.
        """
        shelf = Shelf()
        await read_to_end(following, shelf)
        topic = settings.topics.models
        in_force = None if shelf.current is None else models.read(shelf, shelf.current, topic)
        trainer = Trainer(metrics, in_force)
        places = [TopicPartition(settings.topics.examples, number) for number in range(partitions)]
        consumer.assign(places)
        for place in places:
            # Where it is not there any more, reading begins with the earliest that is.
            consumer.seek(place, trainer.offsets.get(place.partition, 0))
        log.info(
            "ready",
            model=shelf.current,
            learned=trainer.learner.learned,
            offsets={str(number): offset for number, offset in trainer.offsets.items()},
        )
        return cls(settings, metrics, trainer, consumer, following, producer, shelf)

    async def learn(self, stop: asyncio.Event) -> None:
        """Learn and publish until told to stop.

        Raises:
            KafkaError: the broker failed.
            TopicError: another trainer is at work.
        """
        while not stop.is_set():
            fetched = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=BATCH)
            records = [record for each in fetched.values() for record in each]
            if records:
                # In order of time, as far as they were read together.
                records.sort(key=lambda record: (record.timestamp, record.partition, record.offset))
                await asyncio.to_thread(self.trainer.take, records)
            if time.monotonic() - self._shown >= SHOWN_SECONDS:
                # Here, where nothing is learned meanwhile.
                self._metrics.show(self.trainer.learner)
                self._shown = time.monotonic()
            waited = time.monotonic() - self._published
            due = self.trainer.unpublished >= self._settings.every or waited >= self._settings.seconds
            if self.trainer.unpublished and due:
                await self.publish()
        if self.trainer.unpublished:
            await self.publish()

    async def publish(self) -> None:
        """Put what was learned in force, at once or not at all.

        Raises:
            KafkaError: the broker failed.
            TopicError: another trainer is at work.
        """
        topic = self._settings.topics.models
        before = self._shelf.current
        await read_to_end(self._following, self._shelf)
        if self._shelf.current != before:
            raise TopicError(f"another trainer publishes to {topic}: there can only be one; stop one of them")
        model = await asyncio.to_thread(self.trainer.model)
        text = codec.encode(model)
        if len(text) > MAX_BYTES:
            raise InputError(f"a model of {len(text):,} bytes is more than {topic} takes ({MAX_BYTES:,})")
        key = model.version.encode()
        # In one batch, so that nobody sees one without the other.
        batch = self._producer.create_batch()
        batch.append(key=key, value=text, timestamp=None)
        batch.append(key=CURRENT, value=key, timestamp=None)
        await (await self._producer.send_batch(batch, topic, partition=PARTITION))
        trainer = self.trainer
        trainer.number, trainer.unpublished = model.number, 0
        self._published = time.monotonic()
        # What was just written is there by now.
        await read_to_end(self._following, self._shelf)
        others = [each for each in self._shelf.editions if each not in (model.version, before)]
        for old in others[: -(KEPT - 2)]:
            await self._producer.send_and_wait(topic, key=old.encode(), partition=PARTITION)
        self._metrics.published.inc()
        self._metrics.show(trainer.learner)
        log.info("a model was published", model=model.version, learned=model.learned, bytes=len(text))


@asynccontextmanager
async def _clients(
    settings: TrainerSettings,
) -> AsyncIterator[tuple[AIOKafkaConsumer, AIOKafkaConsumer, AIOKafkaProducer]]:
    """What reads examples, what reads models, and what publishes them."""
    consumer = AIOKafkaConsumer(
        **settings.connection.options(),
        client_id="dangol-trainer",
        group_id=None,
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
    )
    async with reading(settings.connection, settings.topics.models) as following:
        producer = await start_producer(
            settings.connection,
            "dangol-trainer",
            max_batch_size=2 * MAX_BYTES,
            max_request_size=2 * MAX_BYTES,
        )
        try:
            await consumer.start()
            yield consumer, following, producer
        finally:
            await consumer.stop()
            await producer.stop()


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
