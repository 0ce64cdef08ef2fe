"""Standstill, on Apache Kafka: who gets nothing from a broker that answers starts over, and no one else."""

from __future__ import annotations

import asyncio

import pytest

from agents import standstill
from agents.connection import Connection
from agents.standstill import Progress, Standstill, watch


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience of a test's length."""
    monkeypatch.setattr(standstill, "REBALANCE_SECONDS", 0.2)
    monkeypatch.setattr(standstill, "SPARE_SECONDS", 0.1)
    monkeypatch.setattr(standstill, "LOOK_SECONDS", 0.1)


def noticed(progress: Progress, bootstrap: str, seconds: float) -> bool:
    """Whether a standstill is noticed within so many seconds."""

    async def wait() -> bool:
        watching = watch(progress, Connection(bootstrap), 0.2, lambda: [asyncio.get_running_loop()])
        try:
            return isinstance(await asyncio.wait_for(watching, seconds), Standstill)
        except TimeoutError:
            return False

    return asyncio.run(wait())


def test_standing_still_before_a_broker_that_answers(kafka: str) -> None:
    """Nothing moves and the broker answers: that is noticed."""
    assert noticed(Progress(), kafka, 30)


def test_waiting_for_a_broker_is_no_standstill() -> None:
    """Nothing moves because nobody answers: others say so, and starting over would change nothing."""
    assert not noticed(Progress(), "127.0.0.1:1", 3)


def test_taking_touchpoints_is_no_standstill(kafka: str) -> None:
    """Whoever is ready for touchpoints waits for them as long as it takes."""
    progress = Progress()
    progress.taking(taking=True)

    assert not noticed(progress, kafka, 3)
