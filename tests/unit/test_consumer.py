"""The end of a consumer: what it was still asking when its latest question failed takes nobody along."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import Fetcher

from agents.consumer import stopped


async def asking() -> AIOKafkaConsumer:
    """A consumer with a request on its way, as it has one after a question that timed out."""
    consumer = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:1")
    consumer._fetcher = Fetcher(consumer._client, consumer._subscription)
    # When it begins it cancels what is pending of an assignment before.
    await asyncio.sleep(0)
    consumer._fetcher._pending_tasks.add(asyncio.create_task(asyncio.sleep(60)))
    await asyncio.sleep(0)
    return consumer


def test_aiokafka_still_lets_its_cancelled_tasks_out() -> None:
    """When this fails, `stopped` is needed no more."""

    async def stop() -> None:
        await (await asking()).stop()

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(stop())


def test_a_consumer_is_stopped_in_the_middle_of_a_question() -> None:
    """Whoever stops it goes on, and is not taken for cancelled."""

    async def stop() -> str:
        await stopped(await asking())
        return "going on"

    assert asyncio.run(stop()) == "going on"


def test_who_is_cancelled_meanwhile_is_cancelled() -> None:
    """A cancellation of the caller's own is not swallowed."""

    async def stop() -> bool:
        async def wait() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                await stopped(await asking())

        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        return task.cancelled()

    assert asyncio.run(stop())
