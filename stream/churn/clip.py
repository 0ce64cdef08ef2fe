"""Clip: a River transformer that keeps standardised features within bounds."""

from __future__ import annotations

from collections.abc import Hashable
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

    def transform_one(self, x: dict[Hashable, Any]) -> dict[Hashable, Any]:
        """The features, each within ±`limit`."""
        limit = self.limit
        return {name: min(max(value, -limit), limit) for name, value in x.items()}
