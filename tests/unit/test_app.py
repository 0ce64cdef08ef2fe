"""The worker's app: what it does with runs, without a broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from prometheus_client import CollectorRegistry

from agents.app import Done, WorkerApp
from agents.connection import Connection
from agents.health import Health
from agents.lane import Run
from agents.metrics import Metrics
from agents.playbooks import Playbooks
from agents.settings import Settings
from stream.engine import load_engine


class Stream:
    """A stream with runs of partition 0, which ends after them."""

    def __init__(self, *runs: Run) -> None:
        self._runs = runs

    def noack(self) -> Stream:
        """The stream itself."""
        return self

    async def events(self) -> AsyncIterator[SimpleNamespace]:
        """The runs."""
        for run in self._runs:
            yield SimpleNamespace(message=SimpleNamespace(partition=0, value=run))


class Watched(WorkerApp):
    """An app that notes what it takes and what it reads again, and does neither."""

    def __init__(self, folder: Path) -> None:
        settings = Settings(Connection("127.0.0.1:1"), state=folder)
        metrics = Metrics(CollectorRegistry(), [])
        super().__init__(settings, Playbooks(load_engine(), metrics), 4, metrics, Health())
        self.taken: list[int] = []
        self.again = 0
        self._taking = True

    async def _take(self, event: Any, run: Run) -> None:
        self.taken.append(run.last)
        self._done[0] = Done(run.epoch, run.last)

    def _seek_again(self, partition: int) -> None:
        self.again += 1


def run_of(epoch: int, follows: int | None, *offsets: int) -> Run:
    """A run of records with these offsets."""
    run = Run(SimpleNamespace(offset=offset) for offset in offsets)
    run.epoch, run.follows = epoch, follows
    return run


def watch(folder: Path, epoch: int, *runs: Run) -> tuple[list[int], int]:
    """What an app takes of these runs when the latest seek began this epoch, and how often it reads again."""

    async def read() -> tuple[list[int], int]:
        app = Watched(folder)
        app._consumer.thread.epoch = epoch
        await app._consume(Stream(*runs))
        await asyncio.gather(*app._running.values())
        return app.taken, app.again

    return asyncio.run(read())


def test_runs_are_taken_one_behind_the_other(tmp_path: Path) -> None:
    """The first of an epoch follows none, each other one the one before, wherever offsets have holes."""
    runs = [run_of(3, None, 7, 8), run_of(3, 8, 11), run_of(3, 11, 12, 13)]

    assert watch(tmp_path, 3, *runs) == ([8, 11, 13], 0)


def test_a_run_that_was_lost_is_missed(tmp_path: Path) -> None:
    """What follows it is not taken, so that no offset is committed beyond it; all is read again."""
    runs = [run_of(3, None, 7, 8), run_of(3, 11, 12, 13)]

    assert watch(tmp_path, 3, *runs) == ([8], 1)


def test_the_first_run_that_was_lost_is_missed(tmp_path: Path) -> None:
    """Also right after a seek, where nothing of the epoch was taken yet."""
    assert watch(tmp_path, 3, run_of(3, 8, 11)) == ([], 1)


def test_what_was_read_before_the_latest_seek_is_left(tmp_path: Path) -> None:
    """It is read again in any case."""
    assert watch(tmp_path, 3, run_of(2, None, 7), run_of(3, None, 7, 8)) == ([8], 0)


def test_a_cancelled_run_does_not_end_the_reading(tmp_path: Path) -> None:
    """A run that a rebalance has cancelled leaves the loop that reads the next ones as it was."""

    async def read_on() -> bool:
        settings = Settings(Connection("127.0.0.1:1"), state=tmp_path)
        metrics = Metrics(CollectorRegistry(), [])
        app = WorkerApp(settings, Playbooks(load_engine(), metrics), 4, metrics, Health())
        app._running[0] = asyncio.create_task(asyncio.sleep(60))
        await asyncio.sleep(0)
        app._running[0].cancel()
        await app._consume(Stream(Run()))
        return app._running[0].cancelled()

    assert asyncio.run(read_on())


def test_faust_serves_nothing_and_logs_in_as_we_do(tmp_path: Path) -> None:
    """Faust's web server, which would show tables, is off; its clients log in as the connection says."""

    async def configured() -> Any:
        connection = Connection(
            "a:1,b:2", sasl_mechanism="SCRAM-SHA-512", sasl_username="ann", sasl_password="secret"
        )
        settings = Settings(connection, state=tmp_path)
        metrics = Metrics(CollectorRegistry(), [])
        app = WorkerApp(settings, Playbooks(load_engine(), metrics), 4, metrics, Health())
        return app.faust

    app = asyncio.run(configured())

    assert app.conf.web_enabled is False
    assert [str(url) for url in app.transport.url] == ["kafka://a:1", "kafka://b:2"]
    assert app.conf.broker_credentials.username == "ann"
    assert app.conf.broker_credentials.protocol.value == "SASL_SSL"
