"""Scorer: anything that tells from features how likely a customer is to be lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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


def ordered(scorer: Scorer, names: Sequence[str]) -> Callable[[Values], float]:
    """What predicts from features in the order of these names, as the scorer does from features by name."""
    if isinstance(scorer, OrderedScorer):
        return scorer.ordered(names)
    return lambda values: scorer.predict(dict(zip(names, values, strict=True)))
