"""The worker's app: what it does with runs, without a broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

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


def test_faust_serves_nothing_and_logs_in_as_we_do(tmp_path: Path) -> None:
    """Faust's web server, which would show tables, is off; its clients log in as the connection says."""

    async def configured() -> Any:
        connection = Connection(
            "a:1,b:2", sasl_mechanism="SCRAM-SHA-512", sasl_username="ann", sasl_password="secret"
        )
        settings = Settings(connection, state=tmp_path)
        app = WorkerApp(settings, load_engine(), 4, Metrics(CollectorRegistry(), []), Health())
        return app.faust

    app = asyncio.run(configured())

    assert app.conf.web_enabled is False
    assert [str(url) for url in app.transport.url] == ["kafka://a:1", "kafka://b:2"]
    assert app.conf.broker_credentials.username == "ann"
    assert app.conf.broker_credentials.protocol.value == "SASL_SSL"
