"""Follower: reads topics as they grow, for someone who looks on; no group, no offsets kept."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from agents import topics as admin
from schemas.errors import BrokerError
from schemas.topics import Topics


async def follow(
    bootstrap: str, topics: Topics, names: Sequence[str], *, from_beginning: bool
) -> AsyncGenerator[Any, None]:
    """Yield records of topics, for ever; in order within a partition.

    Args:
        bootstrap: a broker's address, `host:port`.
        topics: the topics of the deployment.
        names: which of them.
        from_beginning: with those that are there already, or only those that come from now on.

    Raises:
        InputError: `bootstrap` is no address.
        BrokerError: the broker can't be reached.
        TopicError: a topic is missing.
    """
    findings = await admin.inspect(bootstrap, topics)
    missing = [finding for finding in findings if finding.code == "missing" and finding.topic in names]
    admin.refuse(bootstrap, missing)
    consumer = AIOKafkaConsumer(
        *names,
        bootstrap_servers=bootstrap,
        client_id="dangol-tail",
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest" if from_beginning else "latest",
    )
    try:
        await consumer.start()
        # Now and not at the first fetch: what is written from here on must be seen.
        await (consumer.seek_to_beginning() if from_beginning else consumer.seek_to_end())
        async for record in consumer:
            yield record
    except (KafkaError, OSError) as error:
        reason = f"{type(error).__name__}: {error}".removesuffix(": ")
        raise BrokerError(f"the broker at {bootstrap} failed while following: {reason}") from None
    finally:
        await consumer.stop()
