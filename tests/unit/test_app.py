"""The worker's app: what it does with runs, without a broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from prometheus_client import CollectorRegistry

from agents.app import RUNS_WAITING, Done, WorkerApp
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

    def __init__(self, folder: Path, batch: int = 2_000) -> None:
        settings = Settings(Connection("127.0.0.1:1"), state=folder, batch=batch)
        metrics = Metrics(CollectorRegistry(), [])
        super().__init__(settings, Playbooks(load_engine(), metrics), 4, metrics, Health())
        self.taken: list[list[int]] = []
        self.again = 0
        self.most = 0
        self._taking = True

    async def _take(self, partition: int, events: Sequence[Any]) -> None:
        runs = [event.message.value for event in events]
        self.most = max(self.most, len(self._waiting[partition]))
        await asyncio.sleep(0)
        self.taken.append([run.last for run in runs])
        self._done[partition] = Done(runs[-1].epoch, runs[-1].last)

    def _seek_again(self, partition: int) -> None:
        self.again += 1

    async def read(self, epoch: int, *runs: Run) -> None:
        """Read runs, where the latest seek began this epoch, until all that comes of it is done."""
        self._consumer.thread.epoch = epoch
        await self._consume(Stream(*runs))
        while self._waiting.get(0) or not all(task.done() for task in self._running.values()):  # noqa: ASYNC110
            await asyncio.sleep(0)


def run_of(epoch: int, follows: int | None, *offsets: int) -> Run:
    """A run of records with these offsets."""
    run = Run(SimpleNamespace(offset=offset) for offset in offsets)
    run.epoch, run.follows = epoch, follows
    return run


def watch(folder: Path, epoch: int, *runs: Run, batch: int = 2_000) -> tuple[list[list[int]], int]:
    """What an app takes together of these runs, and how often it reads again."""

    async def read() -> tuple[list[list[int]], int]:
        app = Watched(folder, batch)
        await app.read(epoch, *runs)
        return app.taken, app.again

    return asyncio.run(read())


def test_runs_are_taken_one_behind_the_other(tmp_path: Path) -> None:
    """The first of an epoch follows none, each other one the one before; what waits is taken together."""
    runs = [run_of(3, None, 7, 8), run_of(3, 8, 11), run_of(3, 11, 12, 13)]

    assert watch(tmp_path, 3, *runs) == ([[8], [11, 13]], 0)


def test_no_more_is_taken_together_than_a_batch(tmp_path: Path) -> None:
    """Runs that wait are taken as one up to the number of records that a run may have."""
    runs = [run_of(3, None, 7, 8), run_of(3, 8, 11), run_of(3, 11, 12, 13), run_of(3, 13, 14)]

    assert watch(tmp_path, 3, *runs, batch=2) == ([[8], [11], [13], [14]], 0)
    assert watch(tmp_path, 3, *runs, batch=3) == ([[8], [11, 13], [14]], 0)


def test_a_run_that_was_lost_is_missed(tmp_path: Path) -> None:
    """What follows it is not taken, so that no offset is committed beyond it; all is read again."""
    runs = [run_of(3, None, 7, 8), run_of(3, 11, 12, 13), run_of(3, 13, 14)]

    assert watch(tmp_path, 3, *runs) == ([[8]], 1)


def test_a_run_that_was_lost_among_those_that_wait_is_missed(tmp_path: Path) -> None:
    """What was taken together before it is done, what follows is not."""
    runs = [run_of(3, None, 7, 8), run_of(3, 8, 9), run_of(3, 11, 12, 13)]

    assert watch(tmp_path, 3, *runs) == ([[8], [9]], 1)


def test_the_first_run_that_was_lost_is_missed(tmp_path: Path) -> None:
    """Also right after a seek, where nothing of the epoch was taken yet."""
    assert watch(tmp_path, 3, run_of(3, 8, 11)) == ([], 1)


def test_what_was_read_before_the_latest_seek_is_left(tmp_path: Path) -> None:
    """It is read again in any case."""
    assert watch(tmp_path, 3, run_of(2, None, 7), run_of(3, None, 7, 8)) == ([[8]], 0)


def test_few_runs_wait(tmp_path: Path) -> None:
    """However many come while one is under way: reading goes on only when some were taken."""

    async def read() -> tuple[int, int]:
        app = Watched(tmp_path, batch=1)
        count = 3 * RUNS_WAITING
        await app.read(3, run_of(3, None, 0), *(run_of(3, n - 1, n) for n in range(1, count)))
        return sum(map(len, app.taken)), app.most

    taken, most = asyncio.run(read())

    assert taken == 3 * RUNS_WAITING
    assert RUNS_WAITING - 2 <= most <= RUNS_WAITING


def test_a_cancelled_run_does_not_end_the_reading(tmp_path: Path) -> None:
    """After a run that a rebalance has cancelled, those that waited behind it are looked at."""

    async def read_on() -> list[list[int]]:
        app = Watched(tmp_path)
        app._occupy(0, asyncio.sleep(60))
        await asyncio.sleep(0)
        app._consumer.thread.epoch = 3
        await app._consume(Stream(run_of(3, None, 7)))
        app._running[0].cancel()
        await app.read(3, run_of(3, 7, 8))
        return app.taken

    assert asyncio.run(read_on()) == [[7, 8]]


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
