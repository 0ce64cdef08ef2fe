"""Rounds of chaos: whatever breaks, what comes out is what a replay says.

The short form runs with all tests. The long one is `make chaos`: `ROUNDS` rounds from `SEED` on, in one
`MODE` or all in turn; it writes its table to `REPORT`.
"""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest

from tests.chaos import report
from tests.chaos.faults import BROKER, BrokerKill, Cut, Fault, Kill
from tests.chaos.rounds import MODES, Plan, Result, Round, Stage

SHORT = (6_000, 8.0)
LONG = (20_000, 20.0)
"""Touchpoints of a round, and the seconds over which they are published."""

ROUNDS = 10
"""Rounds of the long form, unless told otherwise: a quarter of an hour."""

SHOWN = 5
"""Failed rounds that the message tells of; the table tells of all."""


def test_a_few_faults(stage: Stage) -> None:
    """A worker killed, the other one cut off, the broker killed: nothing lost, twice or missing."""
    random = Random(1)
    timeline: list[tuple[float, Fault]] = [(1.0, Kill(random, 0)), (2.0, Cut(random, 1))]
    timeline.append((5.0, BrokerKill(random, BROKER)))
    result = Round(stage, 0, 1, MODES[0], *SHORT, Plan(timeline)).play()

    assert result.holds, str(result)
    assert result.broken == {"worker kill -9": 1, "connection cut": 1, "broker kill -9": 1}


@pytest.mark.chaos
def test_many_rounds(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """Round after round with everything that can break; the table says what broke and what came of it."""
    rounds = int(os.environ.get("ROUNDS") or ROUNDS)
    seed = int(os.environ.get("SEED") or 1)
    modes = [mode] if (mode := os.environ.get("MODE")) else list(MODES)
    path = Path(os.environ.get("REPORT") or stage.folder / "REPORT.md")
    results: list[Result] = []
    for number in range(rounds):
        results.append(Round(stage, number, seed, modes[number % len(modes)], *LONG).play())
        # Each time, so that a run that is cut short has told what it knows.
        report.write(path, results)
        with capsys.disabled():
            print(report.line(results[-1]), flush=True)  # noqa: T201 - the progress of minutes
    with capsys.disabled():
        print(f"\n{report.totals(results)}\nThe table is in {path}.", flush=True)  # noqa: T201

    failed = [str(result) for result in results if not result.holds]
    assert failed == [], "\n\n".join(failed[:SHOWN])
