"""Zombies: a worker that was away for twice its session, and goes on as if nothing had been.

Its partitions are someone else's by then, who has applied further touchpoints of the same customers. What it
still writes must not be what the next owner, or a subscriber, takes for the truth.
"""

from __future__ import annotations

from random import Random

import pytest

from tests.chaos.faults import Fault, WiredZombie, Zombie
from tests.chaos.rounds import MODES, WORKERS, Plan, Round, Stage

EVERY = 22.0
"""Seconds from one to the next: to be away, to come back, and to be in the middle of it again."""

RATE = 500
"""Touchpoints a second: about half of what two workers do of runs as short as these."""


def play(stage: Stage, kind: type[Fault], mode: str, times: int) -> None:
    """Stop one worker after the other in mid-run; all has to be as if nobody had been away."""
    random = Random(f"{kind.name}/{mode}")
    timeline = [
        (2.0 + number * EVERY + random.random(), kind(random, number % WORKERS)) for number in range(times)
    ]
    seconds = timeline[-1][0] + timeline[-1][1].seconds + 2.0
    result = Round(stage, 0, 1, mode, int(seconds * RATE), seconds, Plan(timeline)).play()

    assert result.holds, str(result)


def test_nothing_of_a_zombie_survives(stage: Stage) -> None:
    """Once, with writes on the wire: the last record of each profile is the replay's."""
    play(stage, WiredZombie, MODES[-1], 1)


@pytest.mark.chaos
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", [Zombie, WiredZombie])
def test_nothing_of_many_zombies_survives(stage: Stage, kind: type[Fault], mode: str) -> None:
    """Six times, at moments of chance."""
    play(stage, kind, mode, 6)
