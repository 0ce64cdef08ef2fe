"""Boosting: gradient boosting in batches, the ceiling that everyone pays batch jobs for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from schemas.errors import InputError
from schemas.timestamp import DAY
from stream.churn.prequential import Scored
from stream.churn.season import SEASON

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

    The season is left out: trees that have seen one summer take it for every summer.

    Args:
        points: in order of time.
        bgnbd: what BG/NBD said of each.
        horizon: in ms.
        split: from when on points are scored, in ms.

    Yields:
        The place of a point after the split, and its risk.
    """
    make = boosting()
    names = list(dict.fromkeys(name for point in points for name in point.features if name not in SEASON))
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
