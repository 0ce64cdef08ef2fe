"""Logistic: River's online logistic regression on standardised, clipped features."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from river import linear_model, optim, preprocessing
from river.utils.vectordict import VectorDict

from stream.churn.clip import Clip
from stream.churn.scorer import Features

_KIND = "logistic"

LEARNING_RATE = 0.01
"""Step of Adam: the largest that stayed calibrated on a year of real purchases."""


class Logistic:
    """A Scorer: `StandardScaler | Clip(5) | LogisticRegression` with Adam.

    Before anything was learned it says 0.5 for everyone.

    >>> scorer = Logistic()
    >>> scorer.predict({"recency": 3.0})
    0.5
    >>> for day in range(50):
    ...     scorer.learn({"recency": float(day % 10)}, churned=day % 10 > 5)
    >>> scorer.predict({"recency": 9.0}) > 0.5 > scorer.predict({"recency": 1.0})
    True
    >>> copy = Logistic()
    >>> copy.restore(scorer.snapshot())
    >>> copy.predict({"recency": 9.0}) == scorer.predict({"recency": 9.0})
    True
    """

    def __init__(self) -> None:
        self._scaler = preprocessing.StandardScaler()
        self._regression = linear_model.LogisticRegression(optimizer=optim.Adam(LEARNING_RATE))
        self._pipeline = self._scaler | Clip(5.0) | self._regression

    def predict(self, features: Features) -> float:
        """The probability of churn within the horizon, from 0 to 1."""
        risk: float = self._pipeline.predict_proba_one(features)[True]
        return risk

    def learn(self, features: Features, *, churned: bool) -> None:
        """Learn from a snapshot of features whose label has matured."""
        self._pipeline.learn_one(dict(features), churned)

    def snapshot(self) -> dict[str, Any]:
        """All that was learned, as plain numbers."""
        optimizer = self._regression.optimizer
        return {
            "kind": _KIND,
            "iterations": optimizer.n_iterations,
            "intercept": self._regression.intercept,
            "weights": dict(self._regression.weights),
            "gradient_mean": _plain(optimizer.m),
            "gradient_square": _plain(optimizer.v),
            "counts": dict(self._scaler.counts),
            "means": dict(self._scaler.means),
            "variances": dict(self._scaler.vars),
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Take on a snapshot.

        Raises:
            ValueError: it is of another kind, lacks something, or holds a number that is not finite.
        """
        if snapshot.get("kind") != _KIND:
            raise ValueError(f"a snapshot of kind {snapshot.get('kind')!r}, not {_KIND!r}")
        try:
            _check_finite(snapshot)
            self.__init__()  # type: ignore[misc]  # start from nothing: no old weight may survive
            regression, scaler = self._regression, self._scaler
            regression.intercept = snapshot["intercept"]
            regression._weights = VectorDict(snapshot["weights"])  # noqa: SLF001 - River has no setter
            regression.optimizer.n_iterations = snapshot["iterations"]
            if snapshot["iterations"]:
                regression.optimizer.m = VectorDict(snapshot["gradient_mean"])
                regression.optimizer.v = VectorDict(snapshot["gradient_square"])
            scaler.counts.update(snapshot["counts"])
            scaler.means.update(snapshot["means"])
            scaler.vars.update(snapshot["variances"])
        except KeyError as missing:
            raise ValueError(f"the snapshot lacks {missing}") from None


def _plain(vector: VectorDict | None) -> dict[str, float]:
    return {} if vector is None else dict(vector.to_dict())


def _check_finite(snapshot: Mapping[str, Any]) -> None:
    for name, value in snapshot.items():
        for number in value.values() if isinstance(value, Mapping) else [value]:
            if not isinstance(number, str) and not isfinite(number):
                raise ValueError(f"the snapshot's {name} holds {number}")
