"""Producer: how dangol connects to publish, the same for the worker and the command line."""

from __future__ import annotations

from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import UnknownError

from agents.connection import Broker, connection_to


async def start_producer(broker: Broker, client_id: str, **options: Any) -> AIOKafkaProducer:
    """A producer that is connected, waits for all replicas and, where the broker can, is idempotent.

    The embedded broker gives producers no number and says so by an unknown error; what a retry may
    then repeat is dropped by its id.

    Args:
        broker: how to reach the broker.
        client_id: how the broker's logs call us.
        options: further options of aiokafka's producer.

    Raises:
        KafkaError: the broker can't be reached or refuses us.
        InputError: a file of the connection can't be used.
    """
    common = {**connection_to(broker).options(), "client_id": client_id, "acks": "all", **options}
    try:
        return await _started(AIOKafkaProducer(enable_idempotence=True, **common))
    except UnknownError:
        return await _started(AIOKafkaProducer(**common))


async def _started(producer: AIOKafkaProducer) -> AIOKafkaProducer:
    try:
        await producer.start()
    except BaseException:
        await producer.stop()
        raise
    return producer
