"""Kinds: the scorers that a model can be of, by the names that `--challenger` takes and models say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stream.churn.adaptive_forest import AdaptiveForest
from stream.churn.adaptive_tree import AdaptiveTree
from stream.churn.forgetting import Forgetting
from stream.churn.logistic import Logistic
from stream.churn.naive_bayes import NaiveBayes
from stream.churn.scorer import Scorer
from stream.churn.stacked import Stacked

KINDS: dict[str, Callable[[float], Scorer]] = {
    "stacked": Stacked,
    "stacked-forgetting": Forgetting,
    "logistic": lambda _horizon_days: Logistic(),
    "naive-bayes": lambda _horizon_days: NaiveBayes(),
    "adaptive-tree": lambda _horizon_days: AdaptiveTree(),
    "adaptive-forest": lambda _horizon_days: AdaptiveForest(),
}
"""What makes a new one, from the days within which a customer who doesn't come back counts as lost."""


def new(kind: str, horizon_days: float, snapshot: dict[str, Any] | None = None) -> Scorer:
    """A scorer of a kind, which has learned nothing, or what a snapshot says.

    >>> new("logistic", 90.0).predict({})
    0.5

    Raises:
        ValueError: there is no such kind, or the snapshot is not of it, lacks something or is not finite.
    """
    if kind not in KINDS:
        raise ValueError(f"it is of the kind {kind!r}, and there are {', '.join(KINDS)}")
    scorer = KINDS[kind](horizon_days)
    if snapshot is not None:
        scorer.restore(snapshot)
    return scorer
