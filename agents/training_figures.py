"""Training figures: how good champion and challenger are, as metrics and published models tell it."""

from __future__ import annotations

from typing import get_args

import msgspec

from schemas.catalogue import Stage
from stream.churn.challenger import Comparison
from stream.churn.learner import Learner
from stream.churn.quality import Quality
from stream.churn.window import Of

WHOSE: tuple[Of, ...] = get_args(Of)
"""Whose risks are judged."""

STAGES: tuple[Stage, ...] = get_args(Stage)
"""The stages that are judged apart."""


class Told(msgspec.Struct, frozen=True):
    """How good risks were over the latest examples.

    Attributes:
        points: how many were judged.
        churned: share of those who were lost.
        auc: area under the ROC curve.
        log_loss: mean of −log of what was said of what came.
        brier: mean squared distance of risk and what came.
        calibration_error: mean distance of risk and share lost, in 15 bins.
    """

    points: int
    churned: float
    auc: float
    log_loss: float
    brier: float
    calibration_error: float


class TrainingFigures(msgspec.Struct, frozen=True):
    """How good a trainer is at a moment.

    Attributes:
        learned: examples that the champion has learned from.
        kinds: what `champion` and `challenger` are of; without a challenger, it is not there.
        risks: by whose they are: `said`, `learned`, `challenger`.
        stages: the same, by whose they are and by stage; stages with few examples are left out.
        comparison: of challenger and champion; None where there is too little.
        segments: as `stages`, by segment of the playbook: 16 at most, and `other` for the others together.
    """

    learned: int
    kinds: dict[str, str]
    risks: dict[str, Told]
    stages: dict[str, dict[str, Told]]
    comparison: Comparison | None
    segments: dict[str, dict[str, Told]] = {}


def figures_of(learner: Learner) -> TrainingFigures:
    """How good a learner is now: a fifth of a second at most, as all is reckoned anew."""
    whose = WHOSE if learner.challenger is not None else WHOSE[:2]
    stages: dict[str, dict[str, Told]] = {
        of: {stage: told for stage in STAGES if (told := _told(learner, of, stage)) is not None}
        for of in whose
    }
    segments = {of: {name: _as_told(found) for name, found in learner.by_segment(of).items()} for of in whose}
    kinds = {"champion": learner.champion.kind}
    if learner.challenger is not None:
        kinds["challenger"] = learner.challenger.kind
    return TrainingFigures(
        learner.learned,
        kinds,
        {of: told for of in whose if (told := _told(learner, of)) is not None},
        {of: told for of, told in stages.items() if told},
        learner.compared(),
        {of: told for of, told in segments.items() if told},
    )


def _told(learner: Learner, of: Of, stage: Stage | None = None) -> Told | None:
    found = learner.quality(of, stage)
    return None if found is None else _as_told(found)


def _as_told(found: tuple[Quality, float]) -> Told:
    quality, brier = found
    return Told(
        quality.points, quality.churned, quality.auc, quality.log_loss, brier, quality.calibration_error
    )
