"""RiverScorer: a classifier of River as a Scorer, with what River leaves to whoever calls it."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite, log
from typing import Any

from river import base

from stream.churn.objects import read, written
from stream.churn.plain import check_finite
from stream.churn.scorer import Features
from stream.churn.season import SEASON

MOST_FEATURES = 96
"""Features beyond so many, in the order in which they were met, are left out: memory is bounded."""

MOST_CERTAIN = 7.0
"""Log odds at which a risk counts as certain: a leaf of a tree that has seen no other class says 0 or 1."""

_HUGE = 1e12
"""Features beyond it are taken as it: squares must be finite."""


class RiverScorer:
    """A Scorer around a River classifier.

    A feature that is left out is 0, and one that was never learned from is left out: River's forests fail
    where a feature vanishes, and some of its classifiers take note of what they are only asked about.
    Before anything was learned River knows no class; it says 0.5 then. It goes by no season: what has changed
    within the first year would be taken for one.

    Args:
        model: the classifier, which has learned nothing yet.
    """

    kind = ""
    """What its snapshots are called."""

    def __init__(self, model: base.Classifier) -> None:
        self.model: Any = model
        self._names: dict[str, float] = {}
        self._learned = self._lost = 0

    def predict(self, features: Features) -> float:
        """The probability of churn within the horizon, from 0 to 1."""
        if not self._learned:
            return 0.5
        risk = self.model.predict_proba_one(self._filled(features)).get(True, 0.0)
        if 0.0 <= risk <= 1.0:
            return float(risk)
        # Neither class is likely enough to be told from 0, or a probability is a little more than 1.
        return 1.0 if risk > 1.0 else self._lost / self._learned

    def contributions(self, features: Features) -> dict[str, float]:
        """By how much the log odds are higher than with the mean in place of a feature, one at a time.

        A score for each feature, of which there are `MOST_FEATURES`. They don't add up to the risk: what two
        features say together counts for both, and what either says alone for neither.
        """
        if not self._learned:
            return {}
        filled = self._filled(features)
        whole = log_odds_of(self.predict(filled))
        return {
            name: whole - log_odds_of(self.predict({**filled, name: mean}))
            for name, mean in self._names.items()
            if filled[name] != mean
        }

    @property
    def average_log_odds(self) -> float:
        """The log odds of a customer all of whose features are average."""
        return log_odds_of(self.predict(self._names))

    def learn(self, features: Features, *, churned: bool) -> None:
        """Learn from a snapshot of features whose label has matured."""
        for name in features:
            if name not in self._names and name not in SEASON and len(self._names) < MOST_FEATURES:
                # It has been 0 so far.
                self._names[name] = 0.0
        filled = self._filled(features)
        self.model.learn_one(filled, bool(churned))
        self._learned += 1
        self._lost += bool(churned)
        for name, mean in self._names.items():
            self._names[name] = mean + (filled[name] - mean) / self._learned

    def snapshot(self) -> dict[str, Any]:
        """All that was learned, as plain numbers."""
        return {
            "kind": self.kind,
            "features": list(self._names),
            "means": list(self._names.values()),
            "counts": [self._learned, self._lost],
            "objects": written(self.model),
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
            names = averages_of(snapshot)
            learned, lost = (int(count) for count in snapshot["counts"])
            model = read(snapshot["objects"])
        except KeyError as missing:
            raise ValueError(f"the snapshot lacks {missing}") from None
        except TypeError as error:
            raise ValueError(f"the snapshot is not shaped as one: {error}") from None
        if type(model) is not type(self.model):
            raise ValueError(f"the snapshot holds no {type(self.model).__name__}")
        self.model, self._names, self._learned, self._lost = model, names, learned, lost

    def _filled(self, features: Features) -> dict[Any, float]:
        get = features.get
        return {name: _tamed(get(name, 0.0)) for name in self._names}


def averages_of(snapshot: Mapping[str, Any]) -> dict[str, float]:
    """The features of a snapshot, each with its mean."""
    told = zip(snapshot["features"], snapshot["means"], strict=True)
    return {str(name): float(mean) for name, mean in told}


def log_odds_of(risk: float) -> float:
    """The log odds of a risk, within ±`MOST_CERTAIN`.

    >>> log_odds_of(0.5), log_odds_of(1.0)
    (0.0, 7.0)
    """
    if not 0.0 < risk < 1.0:
        return MOST_CERTAIN if risk >= 1.0 else -MOST_CERTAIN
    return min(max(log(risk / (1.0 - risk)), -MOST_CERTAIN), MOST_CERTAIN)


def _tamed(value: float) -> float:
    if -_HUGE < value < _HUGE:
        return value
    return 0.0 if not isfinite(value) and value != value else (_HUGE if value > 0.0 else -_HUGE)  # noqa: PLR0124
