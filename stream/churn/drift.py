"""Drift: whether what customers look like, what is said of them, or how wrong that is, has changed.

Each number is watched by ADWIN (Bifet and Gavaldà 2007), which keeps as long a window as has one mean, and
drops its older part where that had another.
"""

from __future__ import annotations

from typing import Any

from river.drift import ADWIN

from stream.churn.bayesian import KIND_SUFFIX
from stream.churn.scorer import Features
from stream.churn.signals import NAMES

CERTAINTY = 1e-5
"""Chance of a false alarm that each look of a detector of a feature may have: there are some fifty of them,
and examples of one customer are much alike."""

MOST_KINDS = 32
"""Kinds of touchpoint that are watched, those that were met first: each takes memory, and a fifth of a µs."""

KINDS = "kinds"
"""What drifts of all of them are called: how many there are is the playbook's to say, and no label's."""

LOG_LOSS, SCORE = "log_loss", "score"

OF = (LOG_LOSS, SCORE, *NAMES, KINDS)
"""All that can drift."""


class Drift:
    """Watches examples, one after the other.

    The signals of each kind of touchpoint go up and down together: its decayed count stands for them.

    >>> drift = Drift()
    >>> [drift.see({"recency": 1.0}, 0.5, 0.7) for _ in range(300)][-1]
    ()
    >>> moved = [drift.see({"recency": 3.0}, 0.5, 0.7) for _ in range(300)]
    >>> {what for found in moved for what in found}
    {'recency'}
    """

    def __init__(self) -> None:
        self._loss: Any = ADWIN()  # type: ignore[no-untyped-call]
        self._score: Any = ADWIN()  # type: ignore[no-untyped-call]
        self._features: dict[str, Any] = {name: _detector() for name in NAMES}
        self._kinds = 0

    def see(self, features: Features, risk: float, loss: float) -> tuple[str, ...]:
        """Watch an example; what has drifted by it: names of signals, `score`, and `log_loss` where it rose.

        Args:
            features: what was seen of the customer.
            risk: what was said.
            loss: how wrong that was, as log loss.
        """
        watched = self._features
        if self._kinds < MOST_KINDS:
            for name in features:
                if name.endswith(KIND_SUFFIX) and name not in watched and self._kinds < MOST_KINDS:
                    watched[name] = _detector()
                    self._kinds += 1
        found = []
        before = self._loss.estimation
        self._loss.update(loss)
        # That it falls is what learning is for.
        if self._loss.drift_detected and self._loss.estimation > before:
            found.append(LOG_LOSS)
        self._score.update(risk)
        if self._score.drift_detected:
            found.append(SCORE)
        get = features.get
        for name, detector in watched.items():
            detector.update(get(name, 0.0))
            if detector.drift_detected:
                found.append(name)
        return tuple(found)


def label_of(what: str) -> str:
    """What a drift is counted under: one of `OF`.

    >>> label_of("recency"), label_of("order.placed:decayed")
    ('recency', 'kinds')
    """
    return what if what in _OF else KINDS


_OF = frozenset(OF)


def _detector() -> Any:
    return ADWIN(delta=CERTAINTY)  # type: ignore[no-untyped-call]
