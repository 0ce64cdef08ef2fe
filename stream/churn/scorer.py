"""Scorer: anything that tells from features how likely a customer is to be lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import exp
from typing import Any, Protocol, runtime_checkable

Features = Mapping[str, float]

Values = tuple[float, ...]
"""Features in an order that is agreed on."""


class Scorer(Protocol):
    """Predicts, learns, and moves as plain numbers.

    The contract, which tests hold every implementation to: a score is in [0, 1] for any
    features, unseen and missing ones included; learning doesn't change its input;
    `restore(snapshot())` predicts identically to the bit; memory is bounded.
    """

    def predict(self, features: Features) -> float:
        """The probability of churn within the horizon, from 0 to 1."""
        ...

    def learn(self, features: Features, *, churned: bool) -> None:
        """Learn from a snapshot of features whose label has matured."""
        ...

    def snapshot(self) -> dict[str, Any]:
        """All that was learned, as numbers, strings, lists and dicts: JSON can hold it."""
        ...

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Take on a snapshot; raises ValueError if it is not of this kind or not finite."""
        ...


@runtime_checkable
class OrderedScorer(Scorer, Protocol):
    """A scorer that saves the names of features where their order is known."""

    def ordered(self, names: Sequence[str]) -> Callable[[Values], float]:
        """What predicts from features in the order of these names, by what is learned so far."""
        ...


@runtime_checkable
class ExplainedScorer(Scorer, Protocol):
    """A scorer that tells what its score comes of."""

    def contributions(self, features: Features) -> dict[str, float]:
        """What each feature adds to the log odds, against those of the average customer."""
        ...

    @property
    def average_log_odds(self) -> float:
        """The log odds of a customer all of whose features are average."""
        ...


def ordered(scorer: Scorer, names: Sequence[str]) -> Callable[[Values], float]:
    """What predicts from features in the order of these names, as the scorer does from features by name."""
    if isinstance(scorer, OrderedScorer):
        return scorer.ordered(names)
    return lambda values: scorer.predict(dict(zip(names, values, strict=True)))


def probability(log_odds: float) -> float:
    """The probability that log odds mean.

    >>> probability(0.0), probability(-1e9)
    (0.5, 0.0)
    """
    if log_odds >= 0.0:
        return 1.0 / (1.0 + exp(-log_odds)) if log_odds < 700.0 else 1.0
    odds = exp(log_odds) if log_odds > -700.0 else 0.0
    return odds / (1.0 + odds)
