"""Rescoring: the risks of many customers as at one time, by what the scorer has learned, all at once.

Nobody's profile changes by it. A worker says the risk of who does nothing anew by that customer's own timer
(stream/churn/labels.py): that is a look, which is kept until its label is known and so has to be committed
with the timer, however low the risk. Who asks about everyone at one moment asks here: `dangol risks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np

from stream.churn.columns import Columns, Floats, Table
from stream.churn.scorer import Scorer
from stream.churn.signals import PER_KIND

AT_ONCE = 8_192
"""Customers whose signals are made together: what a processor's cache holds."""

_AS_FEATURES = {"touched_7": "decayed_7", "touched_28": "decayed_28", "touched_90": "decayed_90"}
_NEVER_BELOW = ("mean_amount", "last_amount")


@runtime_checkable
class BatchScorer(Protocol):
    """A scorer that scores many customers at once."""

    @property
    def features(self) -> tuple[str, ...]:
        """The features that it has met."""
        ...

    def risks_of(self, table: Mapping[str, Floats], count: int) -> Floats:
        """The risks of so many customers; a column for each feature that is not 0 of all."""
        ...


def risks_of(scorer: Scorer, columns: Columns, now: int, *, signals: bool) -> Floats:
    """The risk of each customer as at `now` (ms), as the scorer says it of each alone, to rounding.

    Args:
        scorer: what scores.
        columns: the customers.
        now: the time.
        signals: whether it has learned from signals, else from features.
    """
    count = len(columns.customers)
    risks = np.zeros(count)
    batch = scorer if isinstance(scorer, BatchScorer) else None
    wanted = columns.kinds if batch is None else _kinds_in(batch.features)
    for start in range(0, count, AT_ONCE):
        part = slice(start, min(start + AT_ONCE, count))
        table = columns.signals(part, now, wanted if signals else ())
        if not signals:
            table = _features(table)
        size = part.stop - start
        risks[part] = _one_by_one(scorer, table, size) if batch is None else batch.risks_of(table, size)
    return risks


def _features(signals: Table) -> Table:
    """The features (stream/churn/features.py), which signals hold by other names or as they are."""
    table = {_AS_FEATURES.get(name, name): column for name, column in signals.items()}
    for name in _NEVER_BELOW:
        # Money that was paid back counts as none there.
        table[name] = np.maximum(table[name], 0.0)
    return table


def _kinds_in(features: tuple[str, ...]) -> frozenset[str]:
    named = (name.rpartition(":") for name in features)
    return frozenset(kind for kind, _, end in named if kind and end in PER_KIND)


def _one_by_one(scorer: Scorer, table: Table, count: int) -> Floats:
    rows = [column.tolist() for column in table.values()]
    names = tuple(table)
    return np.array(
        [scorer.predict(dict(zip(names, row, strict=True))) for row in zip(*rows, strict=True)]
    ).reshape(count)
