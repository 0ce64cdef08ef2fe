"""The intake: which runs are taken, and which are read again, without a broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from agents import intake
from agents.batches import Abandoned
from agents.health import Health
from agents.intake import RUNS_WAITING, Intake
from agents.pipeline import Done, Means
from agents.runs import Run


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


class App:
    """What an intake is in: notes what is to be read again, and what fails."""

    generation = 1

    def __init__(self) -> None:
        self.reader: Any = SimpleNamespace(epoch=3)
        self.again = 0
        self.failures: list[Exception] = []

    def read_again(self) -> None:
        """Note it."""
        self.again += 1

    def fail(self, error: Exception) -> None:
        """Note it."""
        self.failures.append(error)


class Noting:
    """A pipeline that notes what it takes, and commits nothing."""

    def __init__(self, note: Callable[[Sequence[Any]], None]) -> None:
        self.partition = 0
        self.decided: Done | None = None
        self.broken = self.has_decided = False
        self._note = note

    async def take(self, run: Sequence[Any], done: Done, events: Iterable[Any]) -> None:
        """Note the run."""
        self._note([event.message.value for event in events])
        await asyncio.sleep(0)
        self.decided = done

    def break_off(self) -> None:
        """Take no more."""
        self.broken = True

    def hurry(self) -> None:
        """There is nothing to commit."""

    def find_timers(self) -> None:
        """There are none."""

    def still_ours(self) -> bool:
        """It is."""
        return True

    done = None


class Watched:
    """An intake whose partition 0 has a pipeline that notes what it takes."""

    def __init__(self, batch: int = 2_000) -> None:
        self.app = App()
        means = Means(*(SimpleNamespace() for _ in range(4)))  # type: ignore[arg-type]
        self.intake = Intake("t", batch, means, SimpleNamespace(), Health(), self.app)  # type: ignore[arg-type]
        self.taken: list[list[int]] = []
        self.most = 0
        self.intake.begin([])
        self.intake._pipelines[0] = Noting(self._note)  # type: ignore[assignment]

    def _note(self, runs: Sequence[Run]) -> None:
        self.most = max(self.most, len(self.intake._waiting[0]))
        self.taken.append([run.last for run in runs])

    async def read(self, *runs: Run) -> None:
        """Read runs until all that comes of them is done."""
        await self.intake.consume(Stream(*runs))
        while self.intake._waiting.get(0) or self.intake._running():  # noqa: ASYNC110
            await asyncio.sleep(0)


def run_of(epoch: int, follows: int | None, *offsets: int) -> Run:
    """A run of records with these offsets."""
    run = Run(SimpleNamespace(offset=offset) for offset in offsets)
    run.epoch, run.follows = epoch, follows
    return run


def watch(*runs: Run, batch: int = 2_000) -> tuple[list[list[int]], int]:
    """What an intake takes together of these runs, where epoch 3 is read, and how often it reads again."""

    async def read() -> tuple[list[list[int]], int]:
        watched = Watched(batch)
        await watched.read(*runs)
        return watched.taken, watched.app.again

    return asyncio.run(read())


def test_runs_are_taken_one_behind_the_other() -> None:
    """The first of an epoch follows none, each other one the one before; what waits is taken together."""
    runs = [run_of(3, None, 7, 8), run_of(3, 8, 11), run_of(3, 11, 12, 13)]

    assert watch(*runs) == ([[8], [11, 13]], 0)


def test_no_more_is_taken_together_than_a_batch() -> None:
    """Runs that wait are taken as one up to the number of records that a run may have."""
    runs = [run_of(3, None, 7, 8), run_of(3, 8, 11), run_of(3, 11, 12, 13), run_of(3, 13, 14)]

    assert watch(*runs, batch=2) == ([[8], [11], [13], [14]], 0)
    assert watch(*runs, batch=3) == ([[8], [11, 13], [14]], 0)


def test_a_run_that_was_lost_is_missed() -> None:
    """What follows it is not taken, so that no offset is committed beyond it; all is read again."""
    runs = [run_of(3, None, 7, 8), run_of(3, 11, 12, 13), run_of(3, 13, 14)]

    assert watch(*runs) == ([[8]], 1)


def test_a_run_that_was_lost_among_those_that_wait_is_missed() -> None:
    """What was taken together before it is done, what follows is not."""
    runs = [run_of(3, None, 7, 8), run_of(3, 8, 9), run_of(3, 11, 12, 13)]

    assert watch(*runs) == ([[8], [9]], 1)


def test_the_first_run_that_was_lost_is_missed() -> None:
    """Also right after a seek, where nothing of the epoch was taken yet."""
    assert watch(run_of(3, 8, 11)) == ([], 1)


def test_what_was_read_before_the_latest_seek_is_left() -> None:
    """It is read again in any case."""
    assert watch(run_of(2, None, 7), run_of(3, None, 7, 8)) == ([[8]], 0)


def test_few_runs_wait() -> None:
    """However many come while one is under way: reading goes on only when some were taken."""

    async def read() -> tuple[int, int]:
        watched = Watched(batch=1)
        count = 3 * RUNS_WAITING
        await watched.read(run_of(3, None, 0), *(run_of(3, n - 1, n) for n in range(1, count)))
        return sum(map(len, watched.taken)), watched.most

    taken, most = asyncio.run(read())

    assert taken == 3 * RUNS_WAITING
    assert RUNS_WAITING - 2 <= most <= RUNS_WAITING


def test_a_run_that_fails_stops_the_worker() -> None:
    """Whatever it fails with: nothing behind it is taken, and the app is told."""

    async def read() -> tuple[list[list[int]], list[Exception]]:
        watched = Watched()

        def fail(runs: Sequence[Run]) -> None:
            raise KeyError(runs[0].last)

        watched.intake._pipelines[0] = Noting(fail)  # type: ignore[assignment]
        await watched.read(run_of(3, None, 7), run_of(3, 7, 8))
        return watched.taken, watched.app.failures

    taken, failures = asyncio.run(read())
    assert (taken, [repr(failure) for failure in failures]) == ([], ["KeyError(7)"])


def test_a_run_that_is_given_up_is_read_again() -> None:
    """Where the partition is still ours, what was given up is read once more, and nothing before that."""

    async def read() -> tuple[int, bool]:
        watched = Watched()

        def give_up(runs: Sequence[Run]) -> None:
            raise Abandoned

        given_up: Any = Noting(give_up)
        watched.intake._pipelines[0] = given_up
        await watched.read(run_of(3, None, 7), run_of(3, 7, 8))
        return watched.app.again, watched.intake._pipelines[0] is given_up

    again, is_same = asyncio.run(read())
    # Once for what was given up, once as the run behind it misses it.
    assert (again, is_same) == (2, False)


def test_a_run_that_takes_too_long_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rebalance waits for the runs in hand, but not for ever; what was waiting behind them is left."""
    monkeypatch.setattr(intake, "FINISH_SECONDS", 0.05)

    class Endless(Noting):
        async def take(self, run: Sequence[Any], done: Done, events: Iterable[Any]) -> None:
            self._note([event.message.value for event in events])
            await asyncio.Event().wait()

    async def finish() -> tuple[list[list[int]], bool, list[Any]]:
        watched = Watched()
        endless = Endless(watched._note)
        watched.intake._pipelines[0] = endless  # type: ignore[assignment]
        await watched.intake.consume(Stream(run_of(3, None, 7), run_of(3, 7, 8)))
        await asyncio.sleep(0)
        watched.intake.halt()
        await watched.intake.finish()
        return watched.taken, endless.broken, watched.intake._running()

    assert asyncio.run(finish()) == ([[7]], True, [])
