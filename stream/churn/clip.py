"""Clip: a River transformer that keeps standardised features within bounds."""

from __future__ import annotations

from typing import Any

from river import base


class Clip(base.Transformer):
    """Limits every feature to ±`limit`.

    A feature that was constant for months and then moves comes out of a running
    standardisation as |z| of 1e8; unclipped, one such customer undoes a model.

    Args:
        limit: in standard deviations.

    >>> Clip(5.0).transform_one({"recency": 1e8, "tenure": -0.5})
    {'recency': 5.0, 'tenure': -0.5}
    """

    def __init__(self, limit: float = 5.0) -> None:
        self.limit = limit

    def transform_one(self, x: dict[str, Any]) -> dict[str, Any]:
        """The features, each within ±`limit`."""
        limit = self.limit
        # Comparisons, not min() and max(): a fifth of the time, on every touchpoint.
        return {
            name: limit if value > limit else -limit if value < -limit else value for name, value in x.items()
        }
