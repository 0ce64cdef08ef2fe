"""Stacked: the default for any business: BG/NBD where nothing was learned yet, and what is learned on top."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import expm1
from typing import Any

import numpy as np
from scipy.linalg.lapack import dposv

from stream.churn.bayesian import BayesianLogistic, Floats
from stream.churn.bgnbd import BgNbd, fit
from stream.churn.calibration import Calibration
from stream.churn.plain import check_finite
from stream.churn.scorer import Features, probability
from stream.churn.season import ANGLES, MOMENT, YEAR_DAYS, Seasons

KNOTS = {
    "recency": (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5),
    "lateness": (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5),
    "overdue": (-0.7, 0.0, 0.7),
    "overdue_z": (-0.7, 0.0, 0.7),
    "bgnbd": (-0.7, 0.0, 0.7),
    **dict.fromkeys(("silence", "gap_last", "active_7", "tenure", "frequency"), (-0.7, 0.7)),
}
"""Where risk may bend, in standard deviations: finest in how long a customer has been away, where a contract,
a weekly habit or a bill has a step."""

CROSSED = (
    "recency",
    "frequency",
    "overdue",
    "active_28",
    "bgnbd",
    "gap_last",
    "lateness",
    "late",
    "gap_mean",
)
"""Signals of which each pair may mean something else together than alone."""

KIND_CROSSED = ("overdue", "recency")
"""What a kind of touchpoint may mean more beside: a complaint of one who is late."""

PRIOR_SEASON = 0.001
"""Variance of the weight of each signal of the season before anything was learned, a hundredth of that of
others: labels there are many, but they tell of few years."""

OTHER_SEASON_DAYS = YEAR_DAYS / 2
"""Days from one season to the opposite one. What a horizon of so many days covers has nothing of the level of
the season in which a customer is seen; a shorter one has in proportion. Of made-up businesses, one that goes
down lost .005 of log loss at 60 days by the level of labels alone, and one of summers lost .04 of AUC at 180
days by that of BG/NBD alone."""

MOST_FEATURES = 96 + len(ANGLES)
"""Features beyond so many are left out: as many of customers as ever, and the season."""

_LINES = 2
"""Weights that stand before those of the features: of 1 and of what BG/NBD says."""

_LONGEST = 20.0
"""A log that is taken for days or counts: e²⁰ days is a million years."""


class Stacked(BayesianLogistic):
    """A Scorer: the log odds of BG/NBD, corrected by a Bayesian logistic regression on the signals.

    Before any label has matured it says what BG/NBD says, which is fitted again as the stream goes on (see
    `refit`) and needs no labels. The horizon is part of what it says. A `Calibration` stands behind it.

    The season is learned from the first label on, but gone by only once labels tell of more than a year (see
    `Seasons`). Until then scores are by the weights to be expected if the season means nothing: those
    of a filter that never knew of it, but for the odds around which each lesson was taken as linear.

    Args:
        horizon_days: within which a customer who doesn't come back counts as lost.

    >>> scorer = Stacked(90.0)
    >>> active = {"frequency": 1.6, "recency": 0.7, "gap_mean": 3.4}
    >>> scorer.predict(active) < scorer.predict({**active, "recency": 5.0})
    True
    """

    kind = "stacked"
    """What its snapshots are called."""

    def __init__(self, horizon_days: float = 90.0) -> None:
        super().__init__(
            offset="bgnbd_offset",
            computed=("bgnbd", "bgnbd_lost"),
            knots=KNOTS,
            crosses=tuple(combinations(CROSSED, 2)),
            kind_crosses=KIND_CROSSED,
            max_features=MOST_FEATURES,
        )
        self.horizon_days = horizon_days
        self.bgnbd = BgNbd()
        self.calibration = Calibration()
        self.seasons = Seasons()

    def predict(self, features: Features) -> float:
        """The probability of churn within the horizon, from 0 to 1."""
        return probability(self.calibration.corrected(self.log_odds(features)))

    def risks_of(self, table: Mapping[str, Floats], count: int) -> Floats:
        """As `predict`, of so many at once; a column for each feature that is not 0 of all."""
        none = np.zeros(count)
        rows = np.zeros((count, len(self.features)))
        offsets, rows[:, 0], rows[:, 1] = self._computed_of(table, none)
        for place, name in enumerate(self.features[2:], start=2):
            rows[:, place] = table.get(name, none)
        return self.risks(rows, offsets)

    def risks(self, rows: Floats, offsets: Floats) -> Floats:
        """As `predict`, of many at once: a row of features each, in the order of `features`, and offsets."""
        log_odds = self.calibration.corrected_all(self.log_odds_of(rows, offsets))
        risks: Floats = 1.0 / (1.0 + np.exp(-np.clip(log_odds, -700.0, 700.0)))
        return risks

    def learn(self, features: Features, *, churned: bool) -> None:
        """Learn from a snapshot of features whose label has matured."""
        said = self.lesson(features, churned)
        self.calibration.learn(said, churned=churned)
        if MOMENT in features:
            self.seasons.see(features[MOMENT])

    def refit(self, histories: Sequence[tuple[float, float, float]]) -> None:
        """Fit BG/NBD to histories (see `stream.churn.bgnbd.fit`), without any label.

        It takes a season for what will stay: who is silent in winter was lost, it says then. So the level
        stays as labels have told it, as far as they have told it and the horizon reaches into other seasons.
        """
        fitted = fit(histories, self.bgnbd)
        if fitted == self.bgnbd:
            return
        kept = self._told() * min(self.horizon_days / OTHER_SEASON_DAYS, 1.0)
        before = self._level(histories)
        self.bgnbd = fitted
        self._weights[0] -= kept * (self._level(histories) - before)
        self._compiled = False

    def contributions(self, features: Features) -> dict[str, float]:
        """What each signal, BG/NBD and calibration add to the log odds, against the average customer.

        As in `BayesianLogistic`; what BG/NBD says is measured against what it says on average, and
        calibration adds what it corrects beyond what it corrects for the average customer.
        """
        parts = super().contributions(features)
        raw, average = self.log_odds(features), super().average_log_odds
        parts["bgnbd"] += parts.pop(self.offset)
        corrected = self.calibration.corrected
        parts["calibration"] = corrected(raw) - raw - (corrected(average) - average)
        return parts

    @property
    def average_log_odds(self) -> float:
        """The log odds of a customer all of whose signals are average."""
        return self.calibration.corrected(super().average_log_odds)

    def snapshot(self) -> dict[str, Any]:
        """All that was learned, as plain numbers."""
        model = self.bgnbd
        return {
            "kind": self.kind,
            "horizon_days": self.horizon_days,
            "bgnbd": {"r": model.r, "alpha": model.alpha, "a": model.a, "b": model.b},
            "calibration": self.calibration.snapshot(),
            **({"season": season} if (season := self.seasons.snapshot()) else {}),
            **super().snapshot(),
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Take on a snapshot.

        Raises:
            ValueError: it is of another kind, lacks something, or holds a number that is not finite.
        """
        if snapshot.get("kind") != self.kind:
            raise ValueError(f"a snapshot of kind {snapshot.get('kind')!r}, not {self.kind!r}")
        check_finite(snapshot)
        try:
            horizon_days = float(snapshot["horizon_days"])
            bgnbd = BgNbd(**snapshot["bgnbd"])
            calibration = Calibration()
            calibration.restore(snapshot["calibration"])
            # Those from before knew of no season.
            seasons = Seasons()
            seasons.restore(snapshot.get("season", ()))
        except KeyError as missing:
            raise ValueError(f"the snapshot lacks {missing}") from None
        except (AttributeError, TypeError) as error:
            raise ValueError(f"the snapshot is not shaped as one: {error}") from None
        super().restore(snapshot)
        self.horizon_days, self.bgnbd = horizon_days, bgnbd
        self.calibration, self.seasons = calibration, seasons

    def priors(self) -> Floats:
        """The variance of each weight before anything was learned."""
        priors = super().priors()
        if self._season is not None:
            priors[self._season] = PRIOR_SEASON
        return priors

    def _take_up(self, names: tuple[str, ...]) -> None:
        # They come together, and so stand together.
        first = names.index(ANGLES[0]) if ANGLES[0] in names else len(names)
        met = names[first : first + len(ANGLES)] == ANGLES
        self._season = slice(_LINES + first, _LINES + first + len(ANGLES)) if met else None
        super()._take_up(names)
        # It is known, and has no weight.
        self._known |= {MOMENT}

    def _weights_to_score_by(self) -> Floats:
        """The weights; before there is enough to tell a season by, as if its own were known to be 0.

        What they share with others by their covariance, the others then take over.
        """
        weights, covariance, season = self._weights, self._covariance, self._season
        if season is None or self.seasons.enough:
            return weights
        others = weights.copy()
        _, shared, failed = dposv(covariance[season, season], weights[season], lower=1)
        # What was read from elsewhere may be no covariance at all.
        if not failed:
            # Only the lower half is kept up to date.
            others[: season.start] -= shared @ covariance[season, : season.start]
            others[season.stop :] -= covariance[season.stop :, season] @ shared
        others[season] = 0.0
        return others

    def _told(self) -> float:
        """How much of the level labels have told, from 0 to 1.

        That is by what share the log odds of the average customer are less uncertain than at first.
        """
        offset, known, unknown = self._average(), self._covariance, self._priors
        variance = known[0, 0] + 2.0 * offset * known[1, 0] + offset * offset * known[1, 1]
        return float(min(max(1.0 - variance / (unknown[0] + offset * offset * unknown[1]), 0.0), 1.0))

    def _level(self, histories: Sequence[tuple[float, float, float]]) -> float:
        """The mean log odds of these customers upon their latest activity, average in all else."""
        repeats, latest, _ = np.maximum(np.array(histories, dtype=np.float64), 0.0).T
        table = {
            "frequency": np.log1p(1.0 + repeats),
            "gap_mean": np.log1p(latest / np.maximum(repeats, 1.0)),
            "recency": np.zeros(len(histories)),
        }
        rows = np.tile(self._measure.means, (len(histories), 1))
        offsets, rows[:, 0], rows[:, 1] = self._computed_of(table, table["recency"])
        for place, name in enumerate(self.features[2:], start=2):
            if name in table:
                rows[:, place] = table[name]
        return float(np.mean(self.log_odds_of(rows, offsets)))

    def _average_offset(self) -> float:
        """What BG/NBD adds on average."""
        return float(self._scoring()[1]) * self._average()

    def _average(self) -> float:
        """What BG/NBD says on average; the offset is within ±5 what the feature is within ±9."""
        return float(min(max(self._measure.means[0], -5.0), 5.0))

    def _computed_of(self, table: Mapping[str, Floats], none: Floats) -> tuple[Floats, Floats, Floats]:
        """As `_computed`, of many at once."""
        frequency, gap, recency = (table.get(name, none) for name in ("frequency", "gap_mean", "recency"))
        known = (frequency > 0.6) & (frequency < _LONGEST)
        repeats = np.where(known, np.expm1(np.where(known, frequency, 1.0)) - 1.0, 0.0)
        gaps = np.expm1(np.where((gap > 0.0) & (gap < _LONGEST), gap, 0.0))
        latest = gaps * repeats
        age = latest + np.expm1(np.where((recency > 0.0) & (recency < _LONGEST), recency, 0.0))
        silent, lost = self.bgnbd.log_odds_of(repeats, latest, age, self.horizon_days)
        silent, lost = np.where(known, silent, 0.0), np.where(known, lost, 0.0)
        return np.minimum(np.maximum(silent, -5.0), 5.0), silent, lost

    def _computed(self, x: Mapping[Any, Any]) -> tuple[float, ...]:
        """What BG/NBD says, within ±5 and as it is, and of being lost; nothing before the first activity."""
        get = x.get
        frequency = get("frequency", 0.0)
        if not 0.6 < frequency < _LONGEST:
            return (0.0, 0.0, 0.0)
        repeats = expm1(frequency) - 1.0
        gap, recency = get("gap_mean", 0.0), get("recency", 0.0)
        latest = expm1(gap) * repeats if 0.0 < gap < _LONGEST else 0.0
        age = latest + (expm1(recency) if 0.0 < recency < _LONGEST else 0.0)
        silent, lost = self.bgnbd.log_odds(repeats, latest, age, self.horizon_days)
        return (silent if -5.0 < silent < 5.0 else (5.0 if silent > 0.0 else -5.0), silent, lost)
