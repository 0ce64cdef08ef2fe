"""Timed: what a score and a lesson cost."""

from __future__ import annotations

from collections.abc import Mapping
from time import thread_time
from typing import Any

from stream.churn.prequential import Refitted
from stream.churn.scorer import Features, Scorer

_LOOKS = 1_000
"""Times that one looks at the watch to know what that takes."""


class Timed:
    """A Scorer that is asked and taught by the watch: what the processor spent on it in this thread.

    What it takes to look at the watch, about a microsecond, is measured at first and taken off.

    Args:
        scorer: what predicts and learns.
    """

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._scored = self._learned = 0
        self._scoring = self._learning = 0.0
        self._watch = _look_cost()

    def predict(self, features: Features) -> float:
        """What the scorer says."""
        begun = thread_time()
        risk = self._scorer.predict(features)
        self._scoring += thread_time() - begun
        self._scored += 1
        return risk

    def learn(self, features: Features, *, churned: bool) -> None:
        """Teach the scorer."""
        begun = thread_time()
        self._scorer.learn(features, churned=churned)
        self._learning += thread_time() - begun
        self._learned += 1

    def refit(self, histories: list[tuple[float, float, float]]) -> None:
        """Hand histories on, where the scorer takes any."""
        if isinstance(self._scorer, Refitted):
            self._scorer.refit(histories)

    def snapshot(self) -> dict[str, Any]:
        """What the scorer learned."""
        return self._scorer.snapshot()

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Have the scorer take on a snapshot."""
        self._scorer.restore(snapshot)

    @property
    def us_score(self) -> float:
        """Mean microseconds of a score."""
        return 1e6 * max(self._scoring / max(self._scored, 1) - self._watch, 0.0)

    @property
    def us_learn(self) -> float:
        """Mean microseconds of a lesson."""
        return 1e6 * max(self._learning / max(self._learned, 1) - self._watch, 0.0)


def _look_cost() -> float:
    """Seconds between two looks at the watch with nothing in between: the least of five times many."""
    least = 1.0
    for _ in range(5):
        begun = thread_time()
        for _ in range(_LOOKS):
            thread_time()
        least = min(least, (thread_time() - begun) / _LOOKS)
    return least
