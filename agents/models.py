"""Models: what was learned of churn and is in force, as the topic of models says, without a restart.

One that can't be used is refused: it is logged and counted, and the one before goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from agents.batches import reason
from agents.connection import Broker
from agents.metrics import Metrics
from agents.shelf import POLL_MS, Shelf, read_to_end, reading
from schemas import model as codec
from schemas.errors import InputError
from schemas.model import Model
from stream.churn.kinds import new
from stream.churn.scorer import Scorer

AGAIN_SECONDS = 5.0
"""Pause before the topic is read anew after the broker failed: a new model is noticed later by it."""

log = structlog.get_logger("dangol.models")


@dataclass(frozen=True, slots=True)
class Learned:
    """A model that is ready to score.

    Attributes:
        version: what decisions name.
        horizon_s: within which a customer who does not come back counts as lost, in seconds.
        scorer: scores signals.
    """

    version: str
    horizon_s: float
    scorer: Scorer


class Models:
    """Follows the topic of models, from when it is first asked to.

    Args:
        broker: how to reach the broker.
        topic: the topic.
        metrics: where what is in force and what was refused is told.

    Attributes:
        current: the model in force; None where none is.
    """

    def __init__(self, broker: Broker, topic: str, metrics: Metrics) -> None:
        self.current: Learned | None = None
        self._broker = broker
        self._topic = topic
        self._metrics = metrics
        self._shelf = Shelf()
        self._refused: str | None = None
        self._following: asyncio.Task[None] | None = None
        self._begun: asyncio.Future[None] | None = None
        self._changed: Callable[[], None] = lambda: None

    def tell(self, changed: Callable[[], None]) -> None:
        """Have this called when another model is in force."""
        self._changed = changed

    async def start(self) -> None:
        """Read what is in force and follow the topic from there, if that is not done already.

        Raises:
            KafkaError: the broker can't be reached.
            TimeoutError: it does not answer.
        """
        if self._following is None:
            self._begun = asyncio.get_running_loop().create_future()
            self._following = asyncio.create_task(self._follow(self._begun))
        assert self._begun is not None
        try:
            await asyncio.shield(self._begun)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop following; what is in force stays so."""
        following, self._following = self._following, None
        if following is not None:
            following.cancel()
            await asyncio.wait({following})

    def load(self, version: str) -> Scorer:
        """The scorer with what a model of the topic has learned.

        Raises:
            InputError: it is not there any more, or can't be used.
        """
        if self.current is not None and version == self.current.version:
            return self.current.scorer
        return learned(self._shelf, version, self._topic).scorer

    async def _follow(self, begun: asyncio.Future[None]) -> None:
        while True:
            try:
                async with reading(self._broker, self._topic) as consumer:
                    shelf = Shelf()
                    await read_to_end(consumer, shelf)
                    self._shelf = shelf
                    await self.judge()
                    if not begun.done():
                        begun.set_result(None)
                    await self._go_on(consumer)
            except (KafkaError, OSError, TimeoutError, InputError) as error:
                if not begun.done():
                    begun.set_exception(error)
                    return
                log.warning(
                    "reading models failed, going on with the one in force",
                    reason=reason(error),
                    retry_in_seconds=AGAIN_SECONDS,
                )
                await asyncio.sleep(AGAIN_SECONDS)

    async def _go_on(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            fetched = await consumer.getmany(timeout_ms=POLL_MS)
            for records in fetched.values():
                self._shelf.take(records)
            if fetched:
                await self.judge()

    async def judge(self) -> None:
        """Have scored by what the topic says now, or say why not."""
        version, before = self._shelf.current, self.current
        if version in (None if before is None else before.version, self._refused or ""):
            return
        if version is None:
            self.current = None
        else:
            try:
                # In a thread: to read a model takes as long as some runs.
                self.current = await asyncio.to_thread(learned, self._shelf, version, self._topic)
            except InputError as error:
                self._refused = version
                self._metrics.models_refused.inc()
                log.error(  # noqa: TRY400 - the error is the line
                    "a model was refused, the one before goes on",
                    reason=str(error),
                    in_force=None if before is None else before.version,
                )
                return
        self._refused = None
        self._changed()


def learned(shelf: Shelf, version: str, topic: str) -> Learned:
    """A model of the topic, ready to score.

    Args:
        shelf: what is on the topic.
        version: its version.
        topic: the topic, for the error.

    Raises:
        InputError: it is not there, or can't be used.
    """
    model = read(shelf, version, topic)
    try:
        scorer = new(model.kind, model.horizon_s / 86_400, model.scorer)
    except ValueError as error:
        raise InputError(f"{topic} {version} can't be used: {error}") from None
    return Learned(model.version, model.horizon_s, scorer)


def read(shelf: Shelf, version: str, topic: str) -> Model:
    """A model as it stands on the topic.

    Raises:
        InputError: it is not there, or is none.
    """
    if (published := shelf.editions.get(version)) is None:
        raise InputError(f"model {version} is not on {topic}")
    return codec.decode(published.text, f"{topic} {version}")
