"""Anchors: what a churn model has to be better than: a constant, recency, and BG/NBD alone."""

from __future__ import annotations

from collections.abc import Mapping
from math import expm1
from typing import Any

from stream.churn.bgnbd import BgNbd, fit
from stream.churn.scorer import Features


class Constant:
    """A Scorer that says for everyone the share lost so far."""

    def __init__(self) -> None:
        self._lost = self._seen = 1.0
        self._seen = 2.0

    def predict(self, features: Features) -> float:
        """The share lost so far."""
        return self._lost / self._seen

    def learn(self, features: Features, *, churned: bool) -> None:
        """Count."""
        self._lost += churned
        self._seen += 1.0

    def snapshot(self) -> dict[str, Any]:
        """The counts."""
        return {"lost": self._lost, "seen": self._seen}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Take on counts."""
        self._lost, self._seen = snapshot["lost"], snapshot["seen"]


class Recency:
    """A Scorer that says the share lost so far of those who had been away as long, in steps of a third."""

    def __init__(self) -> None:
        self._bins: dict[int, Constant] = {}

    def predict(self, features: Features) -> float:
        """The share of the customer's own bin."""
        return self._bin(features).predict(features)

    def learn(self, features: Features, *, churned: bool) -> None:
        """Count in the customer's own bin."""
        self._bin(features).learn(features, churned=churned)

    def snapshot(self) -> dict[str, Any]:
        """The counts of each bin."""
        return {"bins": {str(place): counts.snapshot() for place, counts in self._bins.items()}}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Take on counts."""
        self._bins = {}
        for place, counts in snapshot["bins"].items():
            self._bins.setdefault(int(place), Constant()).restore(counts)

    def _bin(self, features: Features) -> Constant:
        return self._bins.setdefault(int(3 * features.get("recency", 0.0)), Constant())


class Purchases:
    """A Scorer that is BG/NBD alone: the probability of no purchase within the horizon.

    Args:
        horizon_days: the horizon.
    """

    def __init__(self, horizon_days: float) -> None:
        self._horizon_days = horizon_days
        self._model = BgNbd()

    def predict(self, features: Features) -> float:
        """What BG/NBD says, as it was fitted last."""
        repeats = max(expm1(features["frequency"]) - 1.0, 0.0)
        latest = expm1(features["gap_mean"]) * repeats
        return self._model.silent(repeats, latest, latest + expm1(features["recency"]), self._horizon_days)

    def learn(self, features: Features, *, churned: bool) -> None:
        """Learn nothing: it needs no labels."""

    def refit(self, histories: list[tuple[float, float, float]]) -> None:
        """Fit to histories."""
        self._model = fit(histories, self._model)

    def snapshot(self) -> dict[str, Any]:
        """The parameters."""
        model = self._model
        return {"r": model.r, "alpha": model.alpha, "a": model.a, "b": model.b}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Take on parameters."""
        self._model = BgNbd(**snapshot)
