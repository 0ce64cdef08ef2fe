"""Follower: reads topics as they grow, for someone who looks on; no group, no offsets kept."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from agents import topics as admin
from agents.connection import Broker, connection_to
from agents.consumer import stopped
from agents.handshake import denial
from schemas.errors import BrokerError
from schemas.topics import Topics


async def follow(
    broker: Broker, topics: Topics, names: Sequence[str], *, from_beginning: bool
) -> AsyncGenerator[Any, None]:
    """Yield records of topics, for ever; in order within a partition.

    Args:
        broker: how to reach the broker.
        topics: the topics of the deployment.
        names: which of them.
        from_beginning: with those that are there already, or only those that come from now on.

    Raises:
        InputError: the broker's address or a file of the connection can't be used.
        BrokerError: the broker can't be reached, or refuses us (`AccessError`).
        TopicError: a topic is missing.
    """
    findings = await admin.inspect(broker, topics)
    unseen = [one for one in findings if one.code in {"denied", "missing"} and one.topic in names]
    admin.refuse(broker, unseen)
    consumer = AIOKafkaConsumer(
        *names,
        **connection_to(broker).options(),
        client_id="dangol-tail",
        group_id=None,
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest" if from_beginning else "latest",
    )
    try:
        await consumer.start()
        # Now and not at the first fetch: what is written from here on must be seen.
        await (consumer.seek_to_beginning() if from_beginning else consumer.seek_to_end())
        async for record in consumer:
            yield record
    except (KafkaError, OSError) as error:
        if denied := denial(connection_to(broker), error, f"read {' and '.join(names)}"):
            raise denied from None
        reason = f"{type(error).__name__}: {error}".removesuffix(": ")
        raise BrokerError(f"the broker at {broker} failed while following: {reason}") from None
    finally:
        await stopped(consumer)
