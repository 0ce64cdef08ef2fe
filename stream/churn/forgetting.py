"""Forgetting: the default scorer, whose weights may move again: for a world that does not stay as it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from stream.churn.stacked import Stacked

MEMORY = 500_000.0
"""Examples after which a weight is as uncertain as at first, if none of them tells of it. Where a third of
the weights turned round, log loss was 0.597 where that of `Stacked` was 0.662, 1,000 to 3,000 examples
later; on CDNOW it is 0.555 instead of 0.553. With 200,000 that was 0.575 and 0.556."""

_TOGETHER = 32
"""Examples after which uncertainty is added for all of them together: at each, it would cost a third more."""


class Forgetting(Stacked):
    """A Scorer: `Stacked` as a filter of weights that wander (a random walk), never less sure than at first.

    What was learned counts less the older it is, so that after a change of the world the weights follow;
    where nothing changes, they are a little less exact.

    Args:
        horizon_days: within which a customer who doesn't come back counts as lost.
        memory: see `MEMORY`.
    """

    kind = "stacked-forgetting"

    def __init__(self, horizon_days: float = 90.0, memory: float = MEMORY) -> None:
        super().__init__(horizon_days)
        self.memory = memory

    def lesson(self, x: Mapping[Any, Any], y: Any) -> float:
        """Learn from an example; the log odds of the class True as they were said before."""
        said = super().lesson(x, y)
        if self._measure.seen % _TOGETHER == 0:
            # A sum with what is nowhere negative on the diagonal: it stays a covariance.
            variances = np.einsum("ii->i", self._covariance)
            priors = self._priors
            variances += np.clip(priors - variances, 0.0, priors * (_TOGETHER / self.memory))
        return said
