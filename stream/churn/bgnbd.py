"""BG/NBD: how likely a customer stays away, from nothing but when purchases happened (Fader et al. 2005).

While active a customer buys at random at a rate of their own; after each purchase they are lost with a
probability of their own. Rates are Gamma distributed over customers, and those probabilities Beta. It needs
no labels, so it tells something from the first weeks on.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, inf, log

import msgspec
import numpy as np

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

LEAST_CUSTOMERS = 30
"""Below it a fit would be about the prior alone."""

MOST_PURCHASES = 500
"""Further purchases of one customer are not looked at in a fit: a reseller says nothing of the rest."""

_PRIOR = np.log([0.7, 20.0, 0.7, 2.0])
"""Logs of what is likely for r, alpha (days), a and b before anything is known; published ones lie around."""

_PRIOR_SPREAD = np.array([1.5, 2.0, 1.0, 1.0])
"""Standard deviations of their logarithms: weak, but where nobody is ever lost a and b stay finite."""

_BOUNDS = (-4.0, 6.0)
"""Of the logarithms: beyond it nothing can be told apart any more."""

_LIMIT = 9.0
"""Log odds beyond which a risk is as good as certain; also keeps exp() from overflowing."""


class BgNbd(msgspec.Struct, frozen=True):
    """The model's four parameters, with days as the unit of time.

    Attributes:
        r: shape of the distribution of rates.
        alpha: its scale, in days.
        a: first parameter of the distribution of dropping out.
        b: its second parameter.

    >>> model = BgNbd(0.243, 30.9, 0.793, 2.426)
    >>> round(model.alive(2, 200.0, 272.0), 3), round(model.alive(0, 0.0, 272.0), 3)
    (0.702, 1.0)
    >>> round(model.silent(2, 200.0, 272.0, 90.0), 3)
    0.69
    """

    r: float = 0.7
    alpha: float = 20.0
    a: float = 0.7
    b: float = 2.0

    def alive(self, repeats: float, latest: float, age: float) -> float:
        """The probability that a customer is not lost yet.

        Args:
            repeats: active days after the first one.
            latest: days from the first to the latest one.
            age: days from the first one until now.
        """
        return 1.0 / (1.0 + exp(self._log_lost(repeats, latest, age)))

    def silent(self, repeats: float, latest: float, age: float, horizon: float) -> float:
        """The probability of no purchase within a horizon, in days; otherwise as `alive`."""
        rest = exp((self.r + repeats) * log((self.alpha + age) / (self.alpha + age + horizon)))
        return 1.0 - self.alive(repeats, latest, age) * (1.0 - rest)

    def log_odds(self, repeats: float, latest: float, age: float, horizon: float) -> tuple[float, float]:
        """The log odds of no purchase within the horizon, and of being lost; within ±9."""
        whole = self.alpha + age
        purchases = self.r + repeats
        # As `_log_lost`, on the way of every score: each logarithm is taken once.
        if repeats < 0.5:
            lost = -_LIMIT
        else:
            # Where one is a little less than one, the logarithm is to have something to go by.
            more = repeats - 1.0 if repeats > 1.0 else 0.0
            lost = log(self.a / (self.b + more)) + purchases * log(whole / (self.alpha + latest))
            lost = min(lost, _LIMIT)
        rest = exp(purchases * log(whole / (whole + horizon)))
        returns = (1.0 - rest) / (1.0 + exp(lost))
        if returns < 1e-4:
            returns = 1e-4
        elif returns > 0.9999:
            returns = 0.9999
        return log((1.0 - returns) / returns), max(lost, -_LIMIT)

    def log_odds_of(
        self, repeats: Floats, latest: Floats, age: Floats, horizon: float
    ) -> tuple[Floats, Floats]:
        """As `log_odds`, of many at once."""
        whole = self.alpha + age
        purchases = self.r + repeats
        once = repeats < 0.5
        lost = np.log(self.a / (self.b + np.where(once, 1.0, repeats) - 1.0))
        lost += purchases * np.log(whole / (self.alpha + latest))
        lost = np.where(once, -_LIMIT, np.minimum(lost, _LIMIT))
        rest = np.exp(purchases * np.log(whole / (whole + horizon)))
        returns = np.minimum(np.maximum((1.0 - rest) / (1.0 + np.exp(lost)), 1e-4), 0.9999)
        return np.log((1.0 - returns) / returns), np.maximum(lost, -_LIMIT)

    def _log_lost(self, repeats: float, latest: float, age: float) -> float:
        """The log odds of being lost; at most 9."""
        if repeats < 0.5:
            # In this model nobody is lost before the first repeated purchase. Counts come back from logs: one
            # repeat may be a little less than one.
            return -_LIMIT
        odds = log(self.a / (self.b + max(repeats - 1.0, 0.0)))
        odds += (self.r + repeats) * log((self.alpha + age) / (self.alpha + latest))
        return min(odds, _LIMIT)


def fit(histories: Sequence[tuple[float, float, float]], start: BgNbd | None = None) -> BgNbd:
    """The parameters that explain histories best, held back by a weak prior.

    Args:
        histories: for each customer repeats, latest and age, as in `BgNbd.alive`.
        start: where to begin; also what is returned where there are too few histories.
    """
    from scipy.optimize import minimize  # noqa: PLC0415 - a third of a second, once a month

    start = start or BgNbd()
    possible = [each for each in histories if each[0] >= 0.0 and each[1] >= 0.0 and each[2] > 0.0]
    seen = np.array(possible, dtype=np.float64).reshape(-1, 3)
    if len(seen) < LEAST_CUSTOMERS:
        return start
    seen[:, 0] = np.minimum(np.round(seen[:, 0]), MOST_PURCHASES)
    # Most customers of a day are alike: the same history is reckoned with once.
    rows, counts = np.unique(np.round(seen, 1), axis=0, return_counts=True)
    begin = np.log([start.r, start.alpha, start.a, start.b])
    found = minimize(
        _loss,
        begin,
        args=(rows[:, 0], rows[:, 1], rows[:, 2], counts),
        method="L-BFGS-B",
        bounds=[_BOUNDS] * 4,
    )
    if not np.all(np.isfinite(found.x)):
        return start
    r, alpha, a, b = (float(value) for value in np.exp(found.x))
    return BgNbd(r, alpha, a, b)


def _loss(logs: Floats, repeats: Floats, latest: Floats, age: Floats, counts: Floats) -> float:
    """Minus the log likelihood, and the prior."""
    r, alpha, a, b = (float(value) for value in np.exp(logs))
    known = _rising(r, repeats) + r * log(alpha) + _rising(b, repeats) - _rising(a + b, repeats)
    active = -(r + repeats) * np.log(alpha + age)
    lost = np.where(
        repeats > 0,
        log(a) - np.log(b + np.maximum(repeats, 1) - 1) - (r + repeats) * np.log(alpha + latest),
        -inf,
    )
    likelihood = float(np.dot(counts, known + np.logaddexp(active, lost)))
    return 0.5 * float(np.sum(((logs - _PRIOR) / _PRIOR_SPREAD) ** 2)) - likelihood


def _rising(start: float, count: Floats) -> Floats:
    """The log of start · (start + 1) · … with so many factors."""
    steps = np.log(start + np.arange(int(count.max(initial=0))))
    return np.concatenate(([0.0], np.cumsum(steps)))[count.astype(np.intp)]
