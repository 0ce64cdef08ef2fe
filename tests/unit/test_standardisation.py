"""Standardisation: what features are measured by, and how far."""

from __future__ import annotations

import json
from random import Random

import numpy as np
import pytest

from stream.churn.standardisation import Standardisation


def noted(*examples: tuple[float, ...], limit: float = 5.0) -> Standardisation:
    """What has seen these."""
    measure = Standardisation(len(examples[0]), limit)
    for values in examples:
        measure.note(np.array(values))
    return measure


def test_what_is_seen_is_added_together_and_comes_to_the_same() -> None:
    """Means, squares, least and greatest are those of all examples, though many are added at once."""
    chance = Random(3)
    seen = [chance.gauss(5.0, 2.0) for _ in range(1_000)]
    known = noted(*((value,) for value in seen)).widened(1).snapshot()
    mean = sum(seen) / 1_000

    assert (known["count"], known["recent"]) == (1_000, [])
    assert known["means"] == pytest.approx([mean], rel=1e-12)
    assert known["squares"] == pytest.approx([sum((value - mean) ** 2 for value in seen)], rel=1e-12)
    assert (known["lows"], known["highs"]) == ([min(seen)], [max(seen)])


def test_what_is_new_has_been_zero() -> None:
    """A feature first met after four examples that were 2 is measured as one that was 0 in all of them."""
    late = noted((2.0,), (2.0,), (2.0,), (2.0,)).widened(2)
    late.note(np.array([2.0, 10.0]))
    always = noted(*[(2.0, 0.0)] * 4, (2.0, 10.0))

    assert late.widened(2).snapshot() == always.widened(2).snapshot()
    assert late.standardised(np.array([[2.0, 10.0], [3.0, 2.0]])).tolist() == [[0.0, 2.0], [0.0, 0.0]]


def test_little_that_was_seen_counts_for_nothing() -> None:
    """A mean and a deviation of four are chance: everything is average."""
    assert noted((1.0,), (2.0,), (3.0,), (4.0,)).standardised(np.array([[4.0]])).tolist() == [[0.0]]


def test_nothing_is_beyond_what_was_seen_nor_beyond_the_limit() -> None:
    """Who is further out than anybody was is taken for the nearest, and nobody is further than the limit."""
    measure = noted(*[(0.0,)] * 99, (1.0,), limit=3.0).widened(1)

    assert measure.standardised(np.array([[0.01], [1.0], [50.0]])).tolist() == [[0.0], [3.0], [3.0]]
    assert noted(*[(float(n),) for n in range(5)]).standardised(np.array([[-9.0]])).round(3).tolist() == [
        [-1.414]
    ]


def test_the_offset_is_taken_as_it_is() -> None:
    """It stands before the features, and is neither scaled nor clipped."""
    z = np.zeros(2)
    noted((1.0,), (2.0,), (3.0,), (4.0,), (5.0,)).standardise(np.array([-99.5, 3.0]), z)

    assert z.tolist() == [-99.5, 0.0]


@pytest.mark.parametrize("stopped", [0, 3, 500, 517])
def test_restart(stopped: int) -> None:
    """Wherever it stops, also between two additions, it goes on to the same bits."""
    chance = Random(5)
    seen = [np.array([chance.gauss(), chance.random()]) for _ in range(600)]
    measure, copy = Standardisation(2, 5.0), Standardisation(2, 5.0)
    for values in seen[:stopped]:
        measure.note(values)
    copy.restore(json.loads(json.dumps(measure.snapshot())))
    for values in seen[stopped:]:
        measure.note(values)
        copy.note(values)

    assert (copy.seen, copy.snapshot()) == (600, measure.snapshot())
    rows = np.array(seen)
    assert copy.standardised(rows).tolist() == measure.standardised(rows).tolist()
