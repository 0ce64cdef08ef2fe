"""Consumer: how one of aiokafka's is stopped, whatever it has met."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer


async def stopped(consumer: AIOKafkaConsumer) -> None:
    """Stop a consumer, also one whose latest question has just failed.

    aiokafka cancels the tasks that are pending then, and lets that out as if the caller had been cancelled.
    """
    try:
        await consumer.stop()
    except asyncio.CancelledError:
        if (task := asyncio.current_task()) is None or task.cancelling():
            raise
