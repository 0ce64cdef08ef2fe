"""Producer: how dangol connects to publish, the same for the worker and the command line."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerClosed, UnknownError

ABORT_SECONDS = 0.5
"""How long the sending half of a producer may take to notice that its connections are gone."""

log = structlog.get_logger("dangol.producer")


async def start_producer(bootstrap: str, client_id: str, **options: Any) -> AIOKafkaProducer:
    """A producer that is connected, waits for all replicas and, where the broker can, is idempotent.

    The embedded broker gives producers no number and says so by an unknown error; what a retry may
    then repeat is dropped by its id.

    Args:
        bootstrap: a broker's address, `host:port`.
        client_id: how the broker's logs call us.
        options: further options of aiokafka's producer.

    Raises:
        KafkaError: the broker can't be reached or refuses us.
    """
    common = {"bootstrap_servers": bootstrap, "client_id": client_id, "acks": "all", **options}
    try:
        return await _started(AIOKafkaProducer(enable_idempotence=True, **common))
    except UnknownError:
        log.info("this broker has no idempotent producers", broker=bootstrap)
        return await _started(AIOKafkaProducer(**common))


async def abort(producer: AIOKafkaProducer) -> None:
    """Close a producer at once: what waits is not sent any more, and who waits for it is told.

    `AIOKafkaProducer.stop` first sends what waits, and an idempotent producer tries that for as long as
    the broker is away. There is no public way to end one without, so two private parts of aiokafka 0.14
    are used here, and tests/integration/test_outbox.py fails when they change: its sending task, and
    its accumulator, which fails all that waits.
    """
    sender = producer._sender.sender_task  # noqa: SLF001 - see above
    if sender is not None:
        sender.cancel()
        # Requests on their way end with their connections, and the sending task with them.
        await producer.client.close()
        await asyncio.wait({sender}, timeout=ABORT_SECONDS)
        sender.cancel()
        await asyncio.wait({sender}, timeout=ABORT_SECONDS)
    producer._message_accumulator.fail_all(ProducerClosed())  # noqa: SLF001 - see above
    with suppress(KafkaError, OSError):
        await producer.stop()


async def _started(producer: AIOKafkaProducer) -> AIOKafkaProducer:
    try:
        await producer.start()
    except BaseException:
        await producer.stop()
        raise
    return producer
