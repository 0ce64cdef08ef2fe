"""Figures: how good the risks that a scorer gave were, over all and in each 28 days."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from schemas.errors import InputError
from schemas.timestamp import DAY
from stream.churn.prequential import Scored
from stream.churn.quality import brier_of, calibration_of, log_loss_of, quality_of

MONTH_DAYS = 28
"""Days that are judged together over time."""

LEAST_OF_A_MONTH = 50
"""Points that such a month must have to be compared with others."""


def figures_of(
    points: Sequence[Scored], split: int, start: int, data: str, horizon_days: float, scorer: int = 0
) -> dict[str, Any]:
    """The figures of one of the scorers, on points after the split.

    Args:
        points: in order of time.
        split: from when on points are judged, in ms.
        start: the first midnight, in ms.
        data: what the points are of, for a message.
        horizon_days: within which a customer who doesn't come back counted as lost.
        scorer: its place among those that were asked.

    Raises:
        InputError: no point can be judged, or all have one label.
    """
    judged = [point for point in points if point.time > split]
    if not judged:
        raise InputError(
            f"{data}: no point after day {(split - start) / DAY:g} has a label: the data end before "
            f"{horizon_days:g} days have passed; take a shorter --horizon-days or an earlier --split-day"
        )
    risks = [point.risks[scorer] for point in judged]
    churned = [point.churned for point in judged]
    quality = quality_of(risks, churned)
    if quality is None:
        raise InputError(
            f"{data}: all {len(judged):,} points judged {'were lost' if churned[0] else 'came back'} within "
            f"{horizon_days:g} days, so that nothing can be told apart; take another --horizon-days"
        )
    months = _months(judged, split, start, scorer)
    losses = sorted(month["log_loss"] for month in months if month["points"] >= LEAST_OF_A_MONTH)
    middle = len(losses) // 2
    median = (losses[middle] + losses[-middle - 1]) / 2 if losses else 0.0
    return {
        "points": len(points),
        "evaluated": len(judged),
        "base_rate": quality.churned,
        "auc": quality.auc,
        "log_loss": quality.log_loss,
        "brier": brier_of(risks, churned),
        "ece": quality.calibration_error,
        "worst_month_ratio": losses[-1] / median if median else None,
        "calibration": calibration_of(risks, churned),
        "over_time": months,
    }


def _months(judged: Sequence[Scored], split: int, start: int, scorer: int) -> list[dict[str, Any]]:
    """How good what was said in each 28 days was."""
    months = []
    for number, group in groupby(judged, key=lambda point: (point.time - split) // (MONTH_DAYS * DAY)):
        here = list(group)
        risks, churned = [point.risks[scorer] for point in here], [point.churned for point in here]
        quality = quality_of(risks, churned)
        months.append(
            {
                "day": (split - start) // DAY + number * MONTH_DAYS,
                "points": len(here),
                "base_rate": sum(churned) / len(here),
                "auc": quality.auc if quality else None,
                "log_loss": log_loss_of(risks, churned),
                "ece": quality.calibration_error if quality else None,
            }
        )
    return months
