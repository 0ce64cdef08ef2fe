"""AdaptiveTree: River's Hoeffding adaptive tree (Bifet and Gavaldà 2009), as a Scorer."""

from __future__ import annotations

from river import tree

from stream.churn.river_scorer import RiverScorer

DEPTH = 6
"""Levels of splits at most: 64 leaves, each with a mean and a deviation of each feature and class."""


class AdaptiveTree(RiverScorer):
    """One tree that grows while it streams, and regrows branches whose error rises.

    Memory is that of 127 nodes, and as many again in branches on trial.

    >>> scorer = AdaptiveTree()
    >>> for day in range(1_000):
    ...     scorer.learn({"recency": float(day % 10)}, churned=day % 10 > 5)
    >>> scorer.predict({"recency": 9.0}) > 0.5 > scorer.predict({"recency": 1.0})
    True
    """

    kind = "adaptive-tree"

    def __init__(self) -> None:
        super().__init__(tree.HoeffdingAdaptiveTreeClassifier(max_depth=DEPTH, seed=1))
