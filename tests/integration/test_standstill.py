"""Standstill, on Apache Kafka: who gets nothing from a broker that answers starts over, and no one else."""

from __future__ import annotations

import asyncio
import time

import pytest
from aiokafka import AIOKafkaConsumer

from agents import standstill
from agents.connection import Connection
from agents.group_view import view_of
from agents.standstill import Progress, Standstill, has_unowned, watch
from schemas.topics import Topics
from tests.conftest import PARTITIONS


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience of a test's length."""
    monkeypatch.setattr(standstill, "REBALANCE_SECONDS", 0.2)
    monkeypatch.setattr(standstill, "SPARE_SECONDS", 0.1)
    monkeypatch.setattr(standstill, "LOOK_SECONDS", 0.1)


def noticed(progress: Progress, bootstrap: str, seconds: float, *, missed: bool = False) -> bool:
    """Whether a standstill is noticed within so many seconds; `missed`: nobody has some partitions."""

    async def is_missed() -> bool:
        return missed

    async def wait() -> bool:
        watching = watch(progress, Connection(bootstrap), 0.2, is_missed)
        try:
            return isinstance(await asyncio.wait_for(watching, seconds), Standstill)
        except TimeoutError:
            return False

    return asyncio.run(wait())


def test_standing_still_before_a_broker_that_answers(kafka: str) -> None:
    """Nothing moves and the broker answers: that is noticed."""
    assert noticed(Progress(lambda: None), kafka, 30)


def test_waiting_for_a_broker_is_no_standstill() -> None:
    """Nothing moves because nobody answers: others say so, and starting over would change nothing."""
    assert not noticed(Progress(lambda: None), "127.0.0.1:1", 3)


def test_taking_touchpoints_is_no_standstill(kafka: str) -> None:
    """Whoever is ready for touchpoints waits for them as long as it takes."""
    progress = Progress(lambda: None)
    progress.taking(4)

    assert not noticed(progress, kafka, 3)


def test_an_answer_that_never_comes_is_noticed(kafka: str) -> None:
    """Who takes touchpoints and waits for an answer, though the broker answers others, starts over."""
    began = time.monotonic()
    progress = Progress(lambda: began)
    progress.taking(4)

    assert noticed(progress, kafka, 30)


def test_an_answer_that_a_broker_can_not_give_is_no_standstill() -> None:
    """While the broker is away no answer comes, and starting over would change nothing."""
    began = time.monotonic()
    progress = Progress(lambda: began)
    progress.taking(4)

    assert not noticed(progress, "127.0.0.1:1", 3)


def test_a_spare_worker_stands_still_only_where_it_is_missed(kafka: str) -> None:
    """Who was given no partitions waits for as long as others have them all, and no longer."""
    progress = Progress(lambda: None)
    progress.taking(0)

    assert not noticed(progress, kafka, 3)
    assert noticed(progress, kafka, 30, missed=True)


def test_partitions_that_nobody_was_given_are_noticed(kafka: str, topics: Topics) -> None:
    """A group is asked for what its members have together; one in which nobody is misses nothing."""
    group = f"{topics.prefix}-spare"

    async def ask() -> tuple[bool, bool, bool]:
        before = await has_unowned(Connection(kafka), group, PARTITIONS)
        consumer = AIOKafkaConsumer(topics.touchpoints, group_id=group, bootstrap_servers=kafka)
        await consumer.start()
        try:
            async with asyncio.timeout(60):
                await consumer.getmany(timeout_ms=10)
                while (await view_of(Connection(kafka), group)).assigned < PARTITIONS:
                    await consumer.getmany(timeout_ms=100)
            enough = await has_unowned(Connection(kafka), group, PARTITIONS)
            return before, enough, await has_unowned(Connection(kafka), group, PARTITIONS + 1)
        finally:
            await consumer.stop()

    assert asyncio.run(ask()) == (False, False, True)
