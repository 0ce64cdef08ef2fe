"""Rounds of chaos: whatever breaks, what comes out is what a replay says.

The short form runs with all tests. The long one is `make chaos`: `ROUNDS` rounds from `SEED` on, in one
`MODE` or all in turn; it writes its table to `REPORT`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.chaos import report
from tests.chaos.faults import BROKER, BrokerKill, Cut, Fault, Kill
from tests.chaos.rounds import MODES, Plan, Result, Round, Stage

SHORT = (6_000, 8.0)
LONG = (20_000, 20.0)
"""Touchpoints of a round, and the seconds over which they are published."""

ROUNDS = int(os.environ.get("ROUNDS") or 10)
"""Rounds of the long form; ten take some ten minutes."""

SEED = int(os.environ.get("SEED") or 1)

CHOSEN = [os.environ["MODE"]] if os.environ.get("MODE") else list(MODES)
"""Modes that the rounds take turns in."""


def test_a_few_faults(stage: Stage) -> None:
    """A worker killed, the other one cut off, the broker killed: nothing lost, twice or missing."""
    random = Random(1)
    timeline: list[tuple[float, Fault]] = [(1.0, Kill(random, 0)), (2.0, Cut(random, 1))]
    timeline.append((5.0, BrokerKill(random, BROKER)))
    result = Round(stage, 0, 1, MODES[0], *SHORT, Plan(timeline)).play()

    assert result.holds, str(result)
    assert result.broken == {"worker kill -9": 1, "connection cut": 1, "broker kill -9": 1}


@pytest.fixture(scope="module")
def results(stage: Stage, pytestconfig: pytest.Config) -> Iterator[list[Result]]:
    """What came of the rounds so far; in the end, all of it is told."""
    collected: list[Result] = []
    yield collected
    if collected:
        tell(pytestconfig, f"\n{report.totals(collected)}\nThe table is in {_path(stage)}.")


def tell(config: pytest.Config, text: str) -> None:
    """Show the progress of minutes while it happens."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is not None:
        reporter.write_line(text)


@pytest.mark.chaos
@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_round(
    stage: Stage,
    results: list[Result],
    number: int,
    pytestconfig: pytest.Config,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Everything that can break does, and nothing is lost, done twice or missing."""
    result = Round(stage, number, SEED, CHOSEN[number % len(CHOSEN)], *LONG).play()
    results.append(result)
    # Each time, so that a run that is cut short has told what it knows.
    report.write(_path(stage), results)
    with capsys.disabled():
        tell(pytestconfig, "\n".join((report.line(result), *result.stuck_at)))

    assert result.holds, str(result)


def _path(stage: Stage) -> Path:
    return Path(os.environ.get("REPORT") or stage.folder / "REPORT.md")
