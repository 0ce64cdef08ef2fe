"""Playbooks: what decides in this worker, as the topic of playbooks says, without a restart.

A playbook that can't be used is refused: it is logged and counted, and the one before stays in force. A
worker that starts on such a topic takes the latest that can be used, which is the one that the others have.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from agents.batches import reason
from agents.connection import Broker
from agents.metrics import Metrics
from agents.models import Models
from agents.shelf import POLL_MS, Shelf, playbook_of, read_to_end, reading
from schemas.duration import millis_of
from schemas.edition import Edition
from schemas.errors import InputError
from schemas.model import PREFIX
from stream.churn import models
from stream.engine import Engine

AGAIN_SECONDS = 5.0
"""Pause before the topic is read anew after the broker failed: a new playbook is noticed later by it."""

ENGINES = 4
"""Engines kept beside the one in force, for partitions that still decide by what was in force before."""

log = structlog.get_logger("dangol.playbooks")


class Playbooks:
    """The engine in force, and those that partitions are still pinned to.

    Args:
        engine: what decides unless the topic says otherwise.
        metrics: where what is in force and what was refused is told.
        broker: how to reach the broker.
        topic: the topic that is followed; None follows none.
        learned: models that were learned in the stream; None scores by the engine's own for good.

    Attributes:
        engine: what decides from the next run on.
    """

    def __init__(
        self,
        engine: Engine,
        metrics: Metrics,
        broker: Broker = "",
        topic: str | None = None,
        learned: Models | None = None,
    ) -> None:
        self.engine = engine
        self._unlearned = engine
        self._learned = learned
        self._default = engine
        self._metrics = metrics
        self._broker = broker
        self._topic = topic
        self._shelf = Shelf()
        self._engines = {_name(engine): engine}
        self._refused: tuple[str, bytes | None] | None = None
        self._missed: set[tuple[str, str]] = set()
        self._following: asyncio.Task[None] | None = None
        self._take(engine)
        if learned is not None:
            learned.tell(lambda: self._take(self._unlearned))

    async def start(self) -> None:
        """Read what is in force, and follow the topic from there.

        Raises:
            KafkaError: the broker can't be reached.
            TimeoutError: it does not answer.
        """
        self._missed.clear()
        if self._topic is None:
            await self._learn(self._default)
            return
        begun = asyncio.get_running_loop().create_future()
        self._following = asyncio.create_task(self._follow(self._topic, begun))
        await begun

    async def _learn(self, engine: Engine) -> None:
        """Know what was learned, where a playbook has anything learned."""
        if self._learned is not None and engine.playbook.churn is not None:
            await self._learned.start()

    async def stop(self) -> None:
        """Stop following; what is in force stays so."""
        if self._learned is not None:
            await self._learned.stop()
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait({self._following})
            self._following = None

    async def pinned(self, playbook: str, model: str) -> Engine:
        """The engine that a partition is pinned to; the one in force where it can't be had any more.

        Args:
            playbook: version of its playbook.
            model: version of its model.
        """
        name = (playbook, model)
        if name not in self._engines:
            try:
                if self._learned is not None and model.startswith(PREFIX):
                    await self._learned.start()
                self._keep(await asyncio.to_thread(self._made, playbook, model))
            except InputError as error:
                if name not in self._missed:
                    self._missed.add(name)
                    log.warning(
                        "what decided before can't be had any more: if a run is repeated, it is decided anew",
                        playbook=playbook,
                        model=model,
                        reason=str(error),
                        instead=self.engine.playbook_version,
                    )
                return self.engine
        # The one used last is the last to go.
        engine = self._engines[name] = self._engines.pop(name)
        return engine

    def _made(self, playbook: str, model: str) -> Engine:
        """An engine from a playbook on the topic, or from the one that this worker was started with."""
        default = self._default
        if (edition := self._shelf.editions.get(playbook)) is not None:
            book = playbook_of(edition, str(self._topic))
        elif playbook == default.playbook_version:
            book = default.playbook
        else:
            raise InputError(f"playbook {playbook} is not on {self._topic or 'a topic that is followed'}")
        if self._learned is None or not model.startswith(PREFIX):
            return Engine(book, models.load(model), model)
        return Engine(book, models.load(default.model), default.model).scored_by(
            self._learned.load(model), model
        )

    async def _follow(self, topic: str, begun: asyncio.Future[None]) -> None:
        while True:
            try:
                async with reading(self._broker, topic) as consumer:
                    shelf = Shelf()
                    await read_to_end(consumer, shelf)
                    self._shelf = shelf
                    await self._judge(topic)
                    if not begun.done():
                        begun.set_result(None)
                    await self._go_on(consumer, topic)
            except (KafkaError, OSError, TimeoutError, InputError) as error:
                # An InputError is a file of the connection that someone is just replacing.
                if not begun.done():
                    begun.set_exception(error)
                    return
                log.warning(
                    "reading playbooks failed, going on with the one in force",
                    reason=reason(error),
                    retry_in_seconds=AGAIN_SECONDS,
                )
                await asyncio.sleep(AGAIN_SECONDS)

    async def _go_on(self, consumer: AIOKafkaConsumer, topic: str) -> None:
        while True:
            fetched = await consumer.getmany(timeout_ms=POLL_MS)
            for records in fetched.values():
                self._shelf.take(records)
            if fetched:
                await self._judge(topic)

    async def _judge(self, topic: str) -> None:
        """Have decided by what the topic says now, or say why not."""
        version = self._shelf.current
        if version is None:
            await self._learn(self._default)
            self._take(self._default)
            return
        wanted = self._shelf.in_force
        judged = (version, None if wanted is None else wanted.text)
        if judged == self._refused:
            return
        try:
            if wanted is None:
                raise InputError(f"{topic}: `current` names {version}, which is not there")
            engine = await self._engine(wanted, topic)
        except InputError as error:
            self._refused = judged
            self._metrics.playbooks_refused.inc()
            # Where none was in force, the latest that can be used is what the others have.
            if self.engine is self._default:
                latest = await self._latest(topic)
                await self._learn(latest)
                self._take(latest)
            log.error(  # noqa: TRY400 - the error is the line
                "a playbook was refused, the one before goes on",
                reason=str(error),
                in_force=self.engine.playbook_version,
            )
            return
        self._refused = None
        await self._learn(engine)
        self._take(engine)

    async def _latest(self, topic: str) -> Engine:
        """The latest on the topic that can be used; if none can, what this worker was started with."""
        for edition in reversed(list(self._shelf.editions.values())):
            with suppress(InputError):
                return await self._engine(edition, topic)
        return self._default

    async def _engine(self, edition: Edition, topic: str) -> Engine:
        model = self._default.model

        def make() -> Engine:
            playbook = playbook_of(edition, topic)
            try:
                return Engine(playbook, models.load(model), model)
            except Exception as error:  # a fault of ours on what someone wrote must not stop a worker
                what = f"{topic} {edition.version}: dangol failed on it"
                raise InputError(f"{what}: {type(error).__name__}") from error

        # In a thread: to read a large one takes as long as some runs.
        return await asyncio.to_thread(make)

    def _take(self, engine: Engine) -> None:
        """Have this engine decide from the next run on."""
        before = self.engine
        self._unlearned = engine
        engine = self._by_what_was_learned(engine)
        name = _name(engine)
        engine = self._engines.get(name, engine)
        self._keep(engine)
        self.engine = engine
        self._metrics.know(engine.playbook.catalogue)
        self._metrics.playbook(engine.playbook_version)
        self._metrics.model(engine.model)
        if engine is before:
            return
        if engine.playbook_version != before.playbook_version:
            log.info("another playbook is in force", playbook=name[0], before=before.playbook_version)
        if engine.model != before.model:
            log.info("another model is in force", model=engine.model, before=before.model)

    def _by_what_was_learned(self, engine: Engine) -> Engine:
        """The engine with the model in force, if its playbook has that learned, and of the same horizon."""
        learned, churn = None if self._learned is None else self._learned.current, engine.playbook.churn
        if learned is None or churn is None or learned.horizon_s * 1000 != millis_of(churn.horizon):
            return engine
        return engine.scored_by(learned.scorer, learned.version)

    def _keep(self, engine: Engine) -> None:
        self._engines[_name(engine)] = engine
        for name in list(self._unused()):
            del self._engines[name]

    def _unused(self) -> Iterator[tuple[str, str]]:
        spare = [name for name, engine in self._engines.items() if engine is not self.engine]
        yield from spare[: max(len(spare) - ENGINES, 0)]


def _name(engine: Engine) -> tuple[str, str]:
    return engine.playbook_version, engine.model
