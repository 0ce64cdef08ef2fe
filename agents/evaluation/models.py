"""Models: what `--model` can be, by name."""

from __future__ import annotations

from collections.abc import Callable

from stream.churn.adaptive_forest import AdaptiveForest
from stream.churn.adaptive_tree import AdaptiveTree
from stream.churn.logistic import Logistic
from stream.churn.naive_bayes import NaiveBayes
from stream.churn.scorer import Scorer
from stream.churn.stacked import Stacked

MODELS: dict[str, Callable[[float], Scorer]] = {
    "stacked": Stacked,
    "logistic": lambda _horizon_days: Logistic(),
    "naive-bayes": lambda _horizon_days: NaiveBayes(),
    "adaptive-tree": lambda _horizon_days: AdaptiveTree(),
    "adaptive-forest": lambda _horizon_days: AdaptiveForest(),
}
"""What makes a new one, from the days within which a customer who doesn't come back counts as lost."""
