"""AdaptiveForest: River's adaptive random forest (Gomes et al. 2017), as a Scorer."""

from __future__ import annotations

from river import forest

from stream.churn.river_scorer import RiverScorer

TREES = 10
"""Trees that vote: River's own default."""

DEPTH = 6
"""Levels of splits at most, as of a single tree; without it a forest comes to 90 MB in a year."""


class AdaptiveForest(RiverScorer):
    """Trees on bootstrapped examples, each replaced when it drifts; some hundred times the cost of weights.

    Args:
        trees: how many vote.
    """

    kind = "adaptive-forest"

    def __init__(self, trees: int = TREES) -> None:
        super().__init__(forest.ARFClassifier(n_models=trees, max_depth=DEPTH, seed=1))
