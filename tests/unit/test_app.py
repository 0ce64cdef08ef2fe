"""The worker's app: what it does with runs, without a broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

from prometheus_client import CollectorRegistry

from agents.app import WorkerApp
from agents.connection import Connection
from agents.health import Health
from agents.lane import Run
from agents.metrics import Metrics
from agents.settings import Settings
from stream.engine import load_engine


class Stream:
    """A stream with one run of partition 0, which ends after it."""

    def noack(self) -> Stream:
        """The stream itself."""
        return self

    async def events(self) -> AsyncIterator[SimpleNamespace]:
        """The run."""
        yield SimpleNamespace(message=SimpleNamespace(partition=0, value=Run()))


def test_a_cancelled_run_does_not_end_the_reading(tmp_path: Path) -> None:
    """A run that a rebalance has cancelled leaves the loop that reads the next ones as it was."""

    async def read_on() -> bool:
        settings = Settings(Connection("127.0.0.1:1"), state=tmp_path)
        app = WorkerApp(settings, load_engine(), 4, Metrics(CollectorRegistry(), []), Health())
        app._running[0] = asyncio.create_task(asyncio.sleep(60))
        await asyncio.sleep(0)
        app._running[0].cancel()
        await app._consume(Stream())
        return app._running[0].cancelled()

    assert asyncio.run(read_on())
