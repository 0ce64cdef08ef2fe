"""Bayesian: online logistic regression that knows how sure it is of each weight, as a River classifier."""

# ruff: noqa: SLF001 - what is restored is built apart, in a fresh one of the same class
from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from math import exp, isfinite
from operator import itemgetter
from struct import Struct, error
from typing import Any

import numpy as np
from river import base
from scipy.linalg.blas import dsymv, dsyr

from stream.churn.plain import check_finite
from stream.churn.scorer import probability
from stream.churn.standardisation import Standardisation

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

KIND_SUFFIX = ":decayed"
"""Ends the name of the feature that stands for its kind of touchpoint in crosses."""

KIND_KNOT = 1.0
"""Standard deviations at which such a feature may bend: the step from one bad moment to two."""

_HUGE = 1e12
"""Features beyond it are taken as it: their squares must be finite."""

# Found once: every score and every lesson asks for each of them.
subtract, multiply, maximum = np.subtract, np.multiply, np.maximum

_AT_ONCE = 512
"""Rows that are scored together: what a processor's cache holds."""


class BayesianLogistic(base.Classifier):
    """Logistic regression by an extended Kalman filter with the full covariance of its weights.

    Features are standardised as they were so far, kept within ±`limit` and within what was learned from:
    where nobody has been, the model says what it says of the nearest. Beside each feature there may be bends
    (a weight that begins at a knot) and crosses (a weight of a product of two), so that it can follow steps
    and exceptions; all weights together have one covariance, which tells near duplicates apart.

    A feature that is left out is 0; one that was never met before has been 0 so far. Memory is the square of
    the number of weights, which is bounded by `max_features` and the bends and crosses asked for.

    Args:
        offset: a feature that is taken as the log odds to begin with, neither standardised nor bent.
        computed: features that are made of the others, and stand before them; see `_computed`.
        knots: where features bend, in standard deviations, by feature; those of 0 and above bend upwards.
        crosses: pairs of features.
        kind_crosses: features that are crossed with each kind of touchpoint.
        limit: standard deviations at which a feature is clipped.
        prior: variance of the weight of a feature, before anything was learned; those of a kind of touchpoint
            share it with all other kinds, so that many kinds don't promise more than one.
        prior_bend: the same of bends and crosses: smaller, so that straight lines come first.
        prior_offset: the same of the offset's weight, around 1.
        max_features: features beyond so many, in the order in which they were met, are left out.
        max_kinds: kinds of touchpoint beyond so many are not bent and not crossed.

    >>> model = BayesianLogistic()
    >>> for day in range(50):
    ...     model.learn_one({"recency": float(day % 10)}, day % 10 > 5)
    >>> model.predict_one({"recency": 9.0}), model.predict_one({"recency": 1.0})
    (True, False)
    """

    def __init__(  # noqa: PLR0913, PLR0917 - River reads parameters off the constructor
        self,
        offset: str = "",
        computed: Sequence[str] = (),
        knots: Mapping[str, Sequence[float]] | None = None,
        crosses: Sequence[tuple[str, str]] = (),
        kind_crosses: Sequence[str] = (),
        limit: float = 5.0,
        prior: float = 0.1,
        prior_bend: float = 0.03,
        prior_offset: float = 0.25,
        max_features: int = 96,
        max_kinds: int = 8,
    ) -> None:
        self.offset = offset
        self.computed = computed
        self.knots = knots
        self.crosses = crosses
        self.kind_crosses = kind_crosses
        self.limit = limit
        self.prior = prior
        self.prior_bend = prior_bend
        self.prior_offset = prior_offset
        self.max_features = max_features
        self.max_kinds = max_kinds
        self._names: tuple[str, ...] = ()
        self._terms: list[tuple[Hashable, ...]] = []
        self._measure = Standardisation(0, limit)
        self._weights: Floats = np.zeros(0)
        self._in_force: Floats = self._weights
        self._covariance: Floats = np.zeros((0, 0), order="F")
        self._take_up(tuple(computed))

    # River's interface

    def predict_proba_one(self, x: Mapping[Any, Any], **kwargs: Any) -> dict[base.typing.ClfTarget, float]:
        """The probability of both classes."""
        risk = self.risk(x)
        return {False: 1.0 - risk, True: risk}

    def learn_one(self, x: Mapping[Any, Any], y: Any, **kwargs: Any) -> None:
        """Learn from an example; one that holds what is no number teaches as if that were 0."""
        self.lesson(x, y)

    # What a scorer needs besides

    def lesson(self, x: Mapping[Any, Any], y: Any) -> float:
        """Learn from an example; the log odds of the class True as they were said before."""
        if not self._known.issuperset(x):
            self._meet(x)
        values = self._read(x)
        # One sum of squares tells both: what is no number, and what is too large.
        if not (float(values.dot(values)) < _HUGE * _HUGE):
            np.copyto(values, _tamed(values))
        self._measure.note(self._values)
        self._fill()
        inputs, weights, covariance = self._inputs, self._weights, self._covariance
        log_odds = float(weights.dot(inputs))
        log_odds = min(max(log_odds, -30.0), 30.0)
        risk = 1.0 / (1.0 + exp(-log_odds))
        certainty = risk * (1.0 - risk)
        direction = dsymv(1.0, covariance, inputs, lower=1)
        spread = max(float(inputs.dot(direction)), 0.0)
        gain = 1.0 / (1.0 + certainty * spread)
        dsyr(-certainty * gain, direction, a=covariance, lower=1, overwrite_a=1)
        direction *= (float(bool(y)) - risk) * gain
        weights += direction
        self._compiled = False
        return log_odds

    def risk(self, x: Mapping[Any, Any]) -> float:
        """The probability of the class True."""
        return probability(self.log_odds(x))

    def log_odds(self, x: Mapping[Any, Any]) -> float:
        """The log odds of the class True."""
        if not self._compiled:
            self._compile()
        terms, said, bends = self._terms_asked, self._said, self._bends_said
        self._measure.standardise(self._read(x), self._z_asked)
        self._slopes.dot(self._asked, said)
        maximum(bends, self._flat, out=bends)
        log_odds = float(terms.dot(said))
        if not isfinite(log_odds):
            values = self._read(x)
            np.copyto(values, _tamed(values))
            self._fill()
            log_odds = float(self._in_force.dot(self._inputs))
        return log_odds

    def contributions(self, x: Mapping[Any, Any]) -> dict[str, float]:
        """What each feature adds to the log odds, against those of the average customer.

        For lines that is weight × standardised value: the Shapley value of a linear model whose features are
        taken as independent (Lundberg and Lee 2017, linear SHAP). Bends are 0 at the average, and so are
        crosses, of which each of the two has half. Together they are the log odds beyond `average_log_odds`.
        """
        values = self._read(x)
        np.copyto(values, _tamed(values))
        self._fill()
        parts = dict.fromkeys(self._names, 0.0)
        for term, value in zip(self._terms, (self._scoring() * self._inputs).tolist(), strict=True):
            if term[0] == "cross":
                for name in term[1:]:
                    parts[str(name)] += value / 2.0
            elif term[0] == "offset":
                parts[self.offset] = parts.get(self.offset, 0.0) + value - self._average_offset()
            elif term[0] != "bias":
                parts[str(term[1])] += value
        return parts

    @property
    def average_log_odds(self) -> float:
        """The log odds of a customer all of whose features are average."""
        return float(self._scoring()[0]) + self._average_offset()

    def average(self, feature: str) -> float:
        """The mean of a feature over all that was learned from; 0 where it was never met."""
        return float(self._measure.means[self._names.index(feature)]) if feature in self._names else 0.0

    def log_odds_of(self, rows: Floats, offsets: Floats) -> Floats:
        """The log odds of many at once: a row of features each, in the order of `features`."""
        weights, bends, crosses = self._scoring(), self._bends_at, self._crosses_at
        # Few of the features are crossed.
        lefts, rows_of = np.unique(self._left - 1, return_inverse=True)
        rights, columns_of = np.unique(self._right - 1, return_inverse=True)
        products = np.zeros((len(lefts), len(rights)))
        np.add.at(products, (rows_of, columns_of), weights[crosses:])
        log_odds: Floats = weights[0] + weights[1] * offsets
        for start in range(0, len(rows), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            z = self._measure.standardised(rows[part])
            bent = z[:, self._bent - 1] * self._signs - self._knots_signed
            np.maximum(bent, 0.0, out=bent)
            log_odds[part] += z @ weights[2:bends] + bent @ weights[bends:crosses]
            log_odds[part] += np.einsum("ij,ij->i", z[:, lefts] @ products, z[:, rights])
        return log_odds

    @property
    def features(self) -> tuple[str, ...]:
        """The features met so far, in order."""
        return self._names

    def priors(self) -> Floats:
        """The variance of each weight before anything was learned."""
        kinds = {name.removesuffix(KIND_SUFFIX) for name in self._names if name.endswith(KIND_SUFFIX)}
        shared = self.prior / max(len(kinds), 1)
        lines = [shared if name.rpartition(":")[0] in kinds else self.prior for name in self._names]
        rest = len(self._terms) - 2 - len(lines)
        return np.array([1.0, self.prior_offset, *lines, *[self.prior_bend] * rest])

    def snapshot(self) -> dict[str, Any]:
        """All that was learned, as plain numbers; of the covariance the lower half, column by column."""
        size = len(self._weights)
        lower = [self._covariance[place:, place].tolist() for place in range(size)]
        return {
            **self._measure.snapshot(),
            "features": list(self._names),
            "weights": self._weights.tolist(),
            "covariance": [value for column in lower for value in column],
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Take on a snapshot.

        Raises:
            ValueError: it lacks something, is not shaped as one, or holds a number that is not finite.
        """
        try:
            check_finite(snapshot)
            fresh = self.clone()
            names = tuple(str(name) for name in snapshot["features"])
            if names[: len(fresh.computed)] != tuple(fresh.computed):
                raise ValueError(f"the snapshot's features don't begin with {', '.join(fresh.computed)}")
            fresh._take_up(names)
            fresh._measure.restore(snapshot)
            fresh._weights[:] = np.array(snapshot["weights"], dtype=np.float64).reshape(fresh._weights.shape)
            packed = np.array(snapshot["covariance"], dtype=np.float64)
            size, start = len(fresh._weights), 0
            if len(packed) != size * (size + 1) // 2:
                raise ValueError("the snapshot's covariance is not of the size that its features ask for")
            for place in range(size):
                fresh._covariance[place:, place] = packed[start : start + size - place]
                start += size - place
        except KeyError as missing:
            raise ValueError(f"the snapshot lacks {missing}") from None
        except (AttributeError, TypeError) as wrong:
            raise ValueError(f"the snapshot is not shaped as one: {wrong}") from None
        self.__dict__.update(fresh.__dict__)

    # Inside

    def _computed(self, x: Mapping[Any, Any]) -> tuple[float, ...]:
        """The offset, and the features that are made of the others, as `computed` names them."""
        return (x.get(self.offset, 0.0),)

    def _average_offset(self) -> float:
        """What the offset adds to the log odds of the average customer."""
        return 0.0

    def _weights_to_score_by(self) -> Floats:
        """The weights that scores are by, as far as was learned."""
        return self._weights

    def _scoring(self) -> Floats:
        """The same, reckoned once between two lessons."""
        if not self._compiled:
            self._compile()
        return self._in_force

    def _read(self, x: Mapping[Any, Any]) -> Floats:
        """Offset and features in order, in a place that is written to again for the next."""
        computed = self._computed(x)
        try:
            given = self._get(x if len(x) >= self._width else {**self._zeros, **x})
            self._pack(self._raw, 0, *computed, *given)  # type: ignore[arg-type] # numpy's types say it on 3.12
        except (KeyError, error):
            get = x.get
            rest = [get(name, 0.0) for name in self._names[len(self.computed) :]]
            np.copyto(self._raw, np.array([*computed, *rest], dtype=np.float64))
        return self._raw

    def _fill(self) -> None:
        """Put the inputs together: 1, offset, standardised features, bends, crosses."""
        z, bent = self._z, self._bends_filled
        self._measure.standardise(self._raw, z)
        multiply(z[self._bent], self._signs, bent)
        subtract(bent, self._knots_signed, bent)
        maximum(bent, self._flat, out=bent)
        multiply(z[self._left], z[self._right], self._crosses_filled)

    def _compile(self) -> None:
        """Lay out the weights so that one product of a matrix and the features gives a score.

        With x = (1, offset, standardised features): x · (W x) is what lines and crosses add, and max(B x, 0)
        are the bends. W and B stand in one matrix.
        """
        weights, bends, crosses = self._weights_to_score_by(), self._bends_at, self._crosses_at
        self._in_force = weights
        self._lines_asked[:] = weights[:bends]
        self._slopes_flat[self._crossed] = weights[crosses:]
        self._terms_asked[bends:] = weights[bends:crosses]
        self._compiled = True

    def _meet(self, x: Mapping[Any, Any]) -> None:
        """Make room for features that are new."""
        room = self.max_features - len(self._names)
        new = [str(name) for name in x if name not in self._known][: max(room, 0)]
        if new:
            self._take_up((*self._names, *new))

    def _take_up(self, names: tuple[str, ...]) -> None:
        """Lay everything out for these features, and keep what is known of those that were there before."""
        old_terms = {term: place for place, term in enumerate(self._terms)}
        old_weights, old_covariance = self._weights, self._covariance
        self._measure = self._measure.widened(len(names))
        self._names = names
        self._known = frozenset((*names, self.offset))
        given = names[len(self.computed) :]
        self._width = len(given)
        self._get = itemgetter(*given) if len(given) > 1 else lambda x: [x[name] for name in given]
        self._zeros: dict[Hashable, Any] = dict.fromkeys(given, 0.0)
        self._pack = Struct(f"{1 + len(names)}d").pack_into
        place_of = {name: place for place, name in enumerate(names)}
        bends, crosses = self._bends(), self._crosses(place_of)
        self._terms = [("bias",), ("offset",), *(("line", name) for name in names)]
        self._bends_at = len(self._terms)
        self._terms += [("bend", *bend) for bend in bends]
        self._crosses_at = len(self._terms)
        self._terms += [("cross", *cross) for cross in crosses]
        self._bent = np.array([1 + place_of[name] for name, _ in bends], dtype=np.intp)
        self._signs = np.array([1.0 if knot >= 0.0 else -1.0 for _, knot in bends])
        self._knots_signed = np.array([abs(knot) for _, knot in bends])
        self._left = np.array([1 + place_of[one] for one, _ in crosses], dtype=np.intp)
        self._right = np.array([1 + place_of[other] for _, other in crosses], dtype=np.intp)
        size = len(self._terms)
        self._weights = np.zeros(size)
        self._weights[1] = 1.0
        self._covariance = np.zeros((size, size), order="F")
        self._priors = self.priors()
        self._covariance[np.diag_indices(size)] = self._priors
        kept = [(place, old_terms[term]) for place, term in enumerate(self._terms) if term in old_terms]
        if kept:
            now, before = (np.array(places, dtype=np.intp) for places in zip(*kept, strict=True))
            self._weights[now] = old_weights[before]
            # Old terms may lie in another order now: only the lower half is kept up to date.
            whole = np.tril(old_covariance) + np.tril(old_covariance, -1).T
            self._covariance[np.ix_(now, now)] = whole[np.ix_(before, before)]
        self._lay_out()

    def _lay_out(self) -> None:
        """Make room for what is written into at each score and lesson, and fill in what never changes."""
        size, bends, crosses = len(self._terms), self._bends_at, self._crosses_at
        self._raw = np.zeros(bends - 1)
        self._values = self._raw[1:]
        self._flat = np.zeros(crosses - bends)
        self._inputs = np.zeros(size)
        self._inputs[0] = 1.0
        self._z = self._inputs[1:bends]
        self._bends_filled = self._inputs[bends:crosses]
        self._crosses_filled = self._inputs[crosses:]
        self._slopes = np.zeros((crosses, bends))
        self._slopes[np.arange(bends, crosses), 1 + self._bent] = self._signs
        self._slopes[bends:, 0] = -self._knots_signed
        self._lines_asked, self._slopes_flat = self._slopes[0], self._slopes.reshape(-1)
        self._crossed = (1 + self._left) * bends + 1 + self._right
        self._terms_asked = np.zeros(crosses)
        self._terms_asked[0] = 1.0
        self._asked = self._terms_asked[:bends]
        self._z_asked = self._terms_asked[1:bends]
        self._said = np.zeros(crosses)
        self._bends_said = self._said[bends:]
        self._compiled = False

    def _kinds(self) -> list[str]:
        return [name for name in self._names if name.endswith(KIND_SUFFIX)][: self.max_kinds]

    def _bends(self) -> list[tuple[str, float]]:
        kinds = set(self._kinds())
        knots = self.knots or {}
        return [
            (name, knot)
            for name in self._names
            for knot in (knots.get(name, ()) if name not in kinds else (KIND_KNOT,))
        ]

    def _crosses(self, place_of: Mapping[str, int]) -> list[tuple[str, str]]:
        asked = [*self.crosses, *((feature, kind) for kind in self._kinds() for feature in self.kind_crosses)]
        return [pair for pair in dict.fromkeys(asked) if pair[0] in place_of and pair[1] in place_of]


def _tamed(values: Floats) -> Floats:
    """Values with 0 for what is no number, and within bounds."""
    return np.clip(np.nan_to_num(values, nan=0.0, posinf=_HUGE, neginf=-_HUGE), -_HUGE, _HUGE)
