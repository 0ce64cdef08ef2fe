"""Training session: reads examples, has them learned from, and publishes what was learned.

It alone publishes. What people choose (`dangol model promote`, `rollback`) it takes note of before and after
each time that it does.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Literal

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from agents import models
from agents.connection import Connection
from agents.shelf import Shelf, read_to_end
from agents.trainer import Trainer
from agents.training_figures import figures_of
from agents.training_metrics import TrainingMetrics
from schemas import model as codec
from schemas.edition import CURRENT, KEPT, PARTITION
from schemas.errors import InputError, TopicError
from schemas.model import CHALLENGER, MAX_BYTES, Model
from schemas.topics import Topics
from stream.churn.learner import BATCH

POLL_MS = 500
"""How long one look for examples waits, in ms."""

SHOWN_SECONDS = 10.0
"""How old gauges become: to reckon them over the latest examples takes a tenth of a second."""

log = structlog.get_logger("dangol.trainer")


@dataclass(frozen=True, slots=True)
class TrainerSettings:
    """What a trainer is told from outside.

    Attributes:
        connection: how to reach the broker.
        topics: the topics of this deployment.
        every: examples after which a model is published.
        seconds: seconds after which one is published, if anything was learned.
        challenger: kind of what learns in the shadow; None for nothing.
        promote: `auto` puts a challenger in force that is better by the rule, `hand` leaves that to people.
        metrics_host: address that metrics and health bind to.
        metrics_port: port of metrics and health; 0 picks a free one.
    """

    connection: Connection = field(default_factory=Connection)
    topics: Topics = field(default_factory=Topics)
    every: int = 1_000
    seconds: float = 300.0
    challenger: str | None = None
    promote: Literal["auto", "hand"] = "hand"
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 9465


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
        self._shadows: list[str] = []
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
        shelf.chosen.clear()
        trainer = begun(shelf, metrics, settings)
        places = [TopicPartition(settings.topics.examples, number) for number in range(partitions)]
        consumer.assign(places)
        for place in places:
            # Where it is not there any more, reading begins with the earliest that is.
            consumer.seek(place, trainer.offsets.get(place.partition, 0))
        challenger = trainer.learner.challenger
        log.info(
            "ready",
            model=shelf.current,
            kind=trainer.learner.champion.kind,
            learned=trainer.learner.learned,
            challenger=None if challenger is None else challenger.kind,
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
                # What was chosen before they were read is what learns from them.
                await self._heed(None)
                # In order of time, as far as they were read together.
                records.sort(key=lambda record: (record.timestamp, record.partition, record.offset))
                await asyncio.to_thread(self.trainer.take, records)
            if time.monotonic() - self._shown >= SHOWN_SECONDS:
                await self._show()
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
            InputError: the model is too large.
        """
        trainer = self.trainer
        await self._heed(None)
        comparison = trainer.learner.compared() if self._settings.promote == "auto" else None
        if comparison is not None and comparison.better:
            trainer.promote("auto")
        model = await asyncio.to_thread(trainer.model)
        challenger = await asyncio.to_thread(trainer.challenger)
        before = self._shelf.current
        key, text = model.version.encode(), self._text(model)
        # In one batch, so that nobody sees one without the other.
        await self._write((key, text), (CURRENT, key))
        if challenger is not None:
            # After the champion: between the two, a crash is to have it learn less rather than twice.
            key = challenger.version.encode()
            await self._write((key, self._text(challenger)), (CHALLENGER, key))
            self._shadows.append(challenger.version)
        elif self._shelf.challenger is not None:
            await self._write((CHALLENGER, None))
        trainer.number, trainer.unpublished = model.number, 0
        self._published = time.monotonic()
        # What was just written is there by now.
        overruled = await self._heed(model.version)
        await self._tidy(model.version, before)
        self._metrics.published.inc()
        await self._show()
        log.info("a model was published", model=model.version, learned=model.learned, bytes=len(text))
        if overruled:
            # What people chose came while this was on its way, and is to stand.
            await self.publish()

    async def _heed(self, ours: str | None) -> bool:
        """Read what is on the topic by now; whether someone else has put another model in force.

        Args:
            ours: what we have just put in force ourselves.

        Raises:
            TopicError: another trainer is at work.
        """
        shelf = self._shelf
        known, before = set(shelf.editions), shelf.current
        shadows = {*self._shadows, shelf.challenger}
        shelf.chosen.clear()
        await read_to_end(self._following, shelf)
        chosen = [each for each in shelf.chosen if each != ours]
        shelf.chosen.clear()
        if not chosen or chosen[-1] == before:
            return False
        version, topic = chosen[-1], self._settings.topics.models
        if version not in shelf.editions:
            log.warning("what was chosen by hand is not there any more, going on", model=version)
            return False
        if version not in known:
            raise TopicError(f"another trainer publishes to {topic}: there can only be one; stop one of them")
        if version in shadows and self.trainer.learner.challenger is not None:
            self._shadows = [each for each in self._shadows if each != version]
            self.trainer.promote("hand")
        else:
            self.trainer.go_back(models.read(shelf, version, topic))
        return True

    async def _tidy(self, version: str, before: str | None) -> None:
        """Take off the topic what is too old, and challengers that were never in force."""
        # The latest but one stays: someone may just be promoting it.
        while len(self._shadows) > 2:
            old = self._shadows.pop(0)
            await self._write((old.encode(), None))
        spared = (version, before, self._shelf.challenger)
        others = [each for each in self._shelf.editions if each not in spared and each not in self._shadows]
        for old in others[: -(KEPT - 2)]:
            await self._write((old.encode(), None))

    async def _write(self, *records: tuple[bytes, bytes | None]) -> None:
        """Write records of keys and values, all or none."""
        batch = self._producer.create_batch()
        for key, value in records:
            batch.append(key=key, value=value, timestamp=None)
        await (await self._producer.send_batch(batch, self._settings.topics.models, partition=PARTITION))

    def _text(self, model: Model) -> bytes:
        text = codec.encode(model)
        if len(text) > MAX_BYTES:
            topic = self._settings.topics.models
            raise InputError(
                f"a model of {len(text):,} bytes is more than {topic} takes ({MAX_BYTES:,}): "
                "put another in force (dangol model rollback)"
            )
        return text

    async def _show(self) -> None:
        # In a thread of its own, as nothing is learned meanwhile: health is to be told all the time.
        self._metrics.show(await asyncio.to_thread(figures_of, self.trainer.learner))
        self._shown = time.monotonic()


def begun(shelf: Shelf, metrics: TrainingMetrics, settings: TrainerSettings) -> Trainer:
    """The trainer that goes on from what is on the topic.

    Examples are read on from where the latest model stood, whichever is in force: what an earlier one has not
    learned, it was taken back for.

    Raises:
        InputError: the model in force can't be gone on from.
    """
    topic = settings.topics.models
    trainer = Trainer(metrics, None if shelf.current is None else models.read(shelf, shelf.current, topic))
    for published in shelf.editions.values() if shelf.current is not None else ():
        if (stood := codec.stood(published.text)) is not None:
            trainer.number = max(trainer.number, stood.number)
            for partition, offset in stood.offsets.items():
                trainer.offsets[partition] = max(trainer.offsets.get(partition, 0), offset)
    if settings.challenger is not None:
        before = None
        if shelf.challenger is not None and shelf.challenger in shelf.editions:
            try:
                before = models.read(shelf, shelf.challenger, topic)
            except InputError as error:
                log.warning("the challenger begins anew", reason=str(error))
        trainer.challenge(settings.challenger, before)
    return trainer
