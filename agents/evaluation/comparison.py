"""Comparison: the figures of baselines beside those of a scorer, on the same points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agents.evaluation.boosting import boosted
from stream.churn.prequential import Scored
from stream.churn.quality import quality_of

ANCHORS = ("constant", "recency", "bgnbd")
"""The anchors, in the order in which they are asked."""


def compared(
    points: Sequence[Scored], first: int, figures: Mapping[str, Any], horizon: int, split: int
) -> dict[str, dict[str, float]]:
    """Quality of each baseline, and by how much the scorer's is higher.

    Args:
        points: in order of time.
        first: the place of the first anchor among those that were asked.
        figures: the scorer's.
        horizon: in ms.
        split: from when on points are judged, in ms.
    """
    judged = [place for place, point in enumerate(points) if point.time > split]
    said = {
        name: [points[place].risks[number] for place in judged]
        for number, name in enumerate(ANCHORS, start=first)
    }
    bgnbd = [point.risks[first + ANCHORS.index("bgnbd")] for point in points]
    by_place = dict(boosted(points, bgnbd, horizon, split))
    said["gradient_boosting"] = [by_place[place] for place in judged]
    churned = [points[place].churned for place in judged]
    found = {}
    for name, risks in said.items():
        quality = quality_of(risks, churned)
        assert quality is not None
        found[name] = {
            "auc": quality.auc,
            "log_loss": quality.log_loss,
            "ece": quality.calibration_error,
            "delta_auc": figures["auc"] - quality.auc,
            "delta_log_loss": figures["log_loss"] - quality.log_loss,
        }
    return found
