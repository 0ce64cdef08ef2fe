"""Quality: how good a series of risks was, once it is known who was lost."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise
from math import log

import msgspec

CLIP = 1e-3
"""Risks are kept this far from 0 and 1 in the log loss, so that one certain mistake isn't infinite."""

BINS = 15
"""Bins of equal count for the calibration error."""


class Quality(msgspec.Struct, frozen=True):
    """How good risks were.

    Attributes:
        points: how many were judged.
        churned: share of those who were lost.
        auc: chance that one who was lost had the higher risk than one who came back; 0.5 is guessing.
        log_loss: mean of −log of what was said of what came; smaller is better.
        calibration_error: mean distance of risk and share lost, in 15 bins of equal count.
    """

    points: int
    churned: float
    auc: float
    log_loss: float
    calibration_error: float


def quality_of(risks: Sequence[float], churned: Sequence[bool]) -> Quality | None:
    """The quality of risks; None where all or none were lost, as then nothing can be told apart.

    >>> quality_of([0.9, 0.6, 0.4, 0.1], [True, False, True, False])
    Quality(points=4, churned=0.5, auc=0.75, log_loss=0.5108, calibration_error=0.4)
    """
    pairs = sorted(zip(risks, churned, strict=True), key=lambda pair: pair[0])
    count, lost = len(pairs), sum(churned)
    if lost in (0, count):
        return None
    return Quality(
        points=count,
        churned=lost / count,
        auc=_auc(pairs, lost),
        log_loss=sum(_log_loss(risk, gone) for risk, gone in pairs) / count,
        calibration_error=_calibration_error(pairs),
    )


class Bin(msgspec.Struct, frozen=True):
    """One of the bins of equal count that calibration is judged in.

    Attributes:
        points: how many fell into it.
        risk: the mean of what was said of them.
        churned: the share that was lost.
    """

    points: int
    risk: float
    churned: float


def calibration_of(risks: Sequence[float], churned: Sequence[bool]) -> list[Bin]:
    """What was said against what came, in 15 bins of equal count, the lowest risks first.

    >>> calibration_of([0.9, 0.1], [True, False])
    [Bin(points=1, risk=0.1, churned=0.0), Bin(points=1, risk=0.9, churned=1.0)]
    """
    pairs = sorted(zip(risks, churned, strict=True), key=lambda pair: pair[0])
    bins = min(BINS, len(pairs))
    edges = [len(pairs) * number // bins for number in range(bins + 1)] if bins else [0]
    return [
        Bin(
            end - start,
            sum(risk for risk, _ in pairs[start:end]) / (end - start),
            sum(gone for _, gone in pairs[start:end]) / (end - start),
        )
        for start, end in pairwise(edges)
    ]


def log_loss_of(risks: Sequence[float], churned: Sequence[bool]) -> float:
    """The mean of −log of what was said of what came, also where all or none were lost.

    >>> round(log_loss_of([0.5, 0.5], [True, True]), 4)
    0.6931
    """
    return sum(map(_log_loss, risks, churned)) / len(risks)


def brier_of(risks: Sequence[float], churned: Sequence[bool]) -> float:
    """The mean squared distance of risk and what came.

    >>> brier_of([0.5, 1.0], [True, False])
    0.625
    """
    return sum((risk - gone) ** 2 for risk, gone in zip(risks, churned, strict=True)) / len(risks)


def _auc(pairs: Sequence[tuple[float, bool]], lost: int) -> float:
    # Mann and Whitney: the rank sum of the lost, equal risks sharing their mean rank.
    rank, rank_sum = 0, 0.0
    for _, group in groupby(pairs, key=lambda pair: pair[0]):
        tied = [gone for _, gone in group]
        rank_sum += sum(tied) * (rank + (len(tied) + 1) / 2)
        rank += len(tied)
    return (rank_sum - lost * (lost + 1) / 2) / (lost * (len(pairs) - lost))


def _log_loss(risk: float, churned: bool) -> float:  # noqa: FBT001 - one of a pair
    clipped = min(max(risk, CLIP), 1 - CLIP)
    return -log(clipped if churned else 1 - clipped)


def _calibration_error(pairs: Sequence[tuple[float, bool]]) -> float:
    count = len(pairs)
    bins = min(BINS, count)
    edges = [count * number // bins for number in range(bins + 1)]
    return (
        sum(
            abs(sum(risk for risk, _ in pairs[start:end]) - sum(gone for _, gone in pairs[start:end]))
            for start, end in pairwise(edges)
        )
        / count
    )
