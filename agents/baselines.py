"""Baselines: what a churn model has to be better than, from a constant to gradient boosting in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import expm1
from typing import Any

import numpy as np

from schemas.errors import InputError
from schemas.timestamp import DAY
from stream.churn.bgnbd import BgNbd, fit
from stream.churn.prequential import Scored
from stream.churn.scorer import Features

EXTRA = "evaluate"
"""The extra of dangol that brings what gradient boosting and pictures need."""

REFIT = 28 * DAY
"""Between two fits of the batch job, in ms."""

LEAST_POINTS = 100
"""Matured points that it needs for a first fit."""

TUNED: tuple[dict[str, Any], ...] = (
    {
        "learning_rate": 0.05,
        "max_leaf_nodes": 8,
        "min_samples_leaf": 100,
        "max_iter": 150,
        "l2_regularization": 1,
    },
    {
        "learning_rate": 0.05,
        "max_leaf_nodes": 16,
        "min_samples_leaf": 50,
        "max_iter": 100,
        "l2_regularization": 5,
    },
    {
        "learning_rate": 0.03,
        "max_leaf_nodes": 5,
        "min_samples_leaf": 100,
        "max_iter": 250,
        "l2_regularization": 1,
    },
)
"""What gradient boosting is tuned over, on the latest quarter of what had matured at its first fit."""


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


def boosting() -> Callable[..., Any]:
    """The class of gradient boosting.

    Raises:
        InputError: it is not installed.
    """
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415 - an extra
    except ImportError:
        raise InputError(
            f"gradient boosting, one of the baselines, needs scikit-learn: pip install 'dangol[{EXTRA}]', "
            "or leave --baselines out"
        ) from None
    made: Callable[..., Any] = HistGradientBoostingClassifier
    return made


def boosted(
    points: Sequence[Scored], bgnbd: Sequence[float], horizon: int, split: int
) -> Iterator[tuple[int, float]]:
    """Gradient boosting on the same features and BG/NBD, fitted every 28 days to what had matured by then.

    Args:
        points: in order of time.
        bgnbd: what BG/NBD said of each.
        horizon: in ms.
        split: from when on points are scored, in ms.

    Yields:
        The place of a point after the split, and its risk.
    """
    make = boosting()
    names = list(dict.fromkeys(name for point in points for name in point.features))
    table = np.array(
        [
            [*(point.features.get(name, 0.0) for name in names), said]
            for point, said in zip(points, bgnbd, strict=True)
        ],
        dtype=np.float32,
    )
    times = np.array([point.time for point in points])
    churned = np.array([point.churned for point in points])
    best: dict[str, Any] | None = None
    for start in range(split, int(times[-1]) + 1, REFIT):
        asked = np.flatnonzero((times > start) & (times <= start + REFIT))
        known = np.flatnonzero(times + horizon <= start)
        if not len(asked):
            continue
        lost = int(churned[known].sum())
        if len(known) < LEAST_POINTS or lost in (0, len(known)):
            share = (lost + 1) / (len(known) + 2)
            yield from ((int(place), share) for place in asked)
            continue
        if best is None:
            best = _tuned(make, table[known], churned[known])
        model = make(random_state=0, early_stopping=False, **best).fit(table[known], churned[known])
        risks = model.predict_proba(table[asked])[:, 1]
        yield from zip((int(place) for place in asked), (float(risk) for risk in risks), strict=True)


def _tuned(make: Callable[..., Any], table: Any, churned: Any) -> dict[str, Any]:
    """The parameters that do best on the latest quarter, learned from the rest."""
    cut = len(table) * 3 // 4
    if len(set(churned[:cut])) < 2:
        return TUNED[0]

    def loss(parameters: dict[str, Any]) -> float:
        model = make(random_state=0, early_stopping=False, **parameters).fit(table[:cut], churned[:cut])
        risks = np.clip(model.predict_proba(table[cut:])[:, 1], 1e-3, 1 - 1e-3)
        return float(-np.where(churned[cut:], np.log(risks), np.log(1 - risks)).mean())

    return min(TUNED, key=loss)
