"""Training process: a trainer that learns until it is stopped; where the broker fails, it begins anew.

It begins from the model in force each time, so that nothing is lost and nothing is learned twice.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry, disable_created_metrics

from agents import topics
from agents.batches import reason
from agents.consumer import stopped
from agents.handshake import denial
from agents.health import Health, HealthServer
from agents.producer import start_producer
from agents.shelf import reading
from agents.training_metrics import TrainingMetrics
from agents.training_session import Session, TrainerSettings
from schemas.errors import AccessError, BrokerError
from schemas.model import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

AGAIN_SECONDS = 5.0
"""Pause before it is begun anew after the broker failed."""

log = structlog.get_logger("dangol.trainer")


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
            await stopped(consumer)
            await producer.stop()


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
