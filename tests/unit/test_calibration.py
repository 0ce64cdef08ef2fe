"""Calibration: a correction that bends risks, keeps their order, and needs labels to move."""

from __future__ import annotations

import json
from itertools import pairwise
from math import exp, isfinite
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.churn.calibration import FURTHEST, NODES, Calibration
from stream.churn.scorer import probability
from tests.hotel import PROPERTY_TEST

LABELS = st.lists(st.tuples(st.floats(-30.0, 30.0), st.booleans(), st.integers(1, 400)), max_size=12)
"""What was said, whether the customer was lost, and how often that happened."""


def taught(labels: list[tuple[float, bool, int]]) -> Calibration:
    """A calibration that has learned."""
    calibration = Calibration()
    for log_odds, churned, times in labels:
        for _ in range(times):
            calibration.learn(log_odds, churned=churned)
    return calibration


def bent(count: int, seed: int = 1) -> Calibration:
    """One that has learned of a model that is too sure of itself: log odds are half of what it says."""
    calibration, chance = Calibration(), Random(seed)
    for _ in range(count):
        said = chance.uniform(-3.0, 3.0)
        calibration.learn(said, churned=chance.random() < 1.0 / (1.0 + exp(-said / 2.0)))
    return calibration


@settings(PROPERTY_TEST, max_examples=60)
@given(LABELS, st.floats(-1e6, 1e6), st.floats(1e-3, 1e3))
def test_order_is_kept(labels: list[tuple[float, bool, int]], log_odds: float, more: float) -> None:
    """Whatever was learned, who was at higher risk stays at higher risk."""
    calibration = taught(labels)

    assert calibration.corrected(log_odds) < calibration.corrected(log_odds + more)


@settings(PROPERTY_TEST, max_examples=60)
@given(LABELS, st.floats(-30.0, 30.0))
def test_corrected_is_a_probability(labels: list[tuple[float, bool, int]], log_odds: float) -> None:
    """What was said above 0 and below 1 stays so, and no correction goes further than is stated."""
    corrected = taught(labels).corrected(log_odds)

    assert isfinite(corrected)
    assert 0.0 < probability(corrected) < 1.0
    assert abs(corrected - log_odds) <= 3 * FURTHEST


@settings(PROPERTY_TEST, max_examples=60)
@given(LABELS, st.lists(st.floats(-20.0, 20.0), min_size=1, max_size=20))
def test_many_at_once_are_one_by_one(labels: list[tuple[float, bool, int]], asked: list[float]) -> None:
    """All at once are corrected as each alone, to rounding."""
    calibration = taught(labels)

    assert calibration.corrected_all(np.array(asked)).tolist() == pytest.approx(
        [calibration.corrected(log_odds) for log_odds in asked], rel=1e-9, abs=1e-9
    )


def test_what_learned_nothing_corrects_nothing() -> None:
    """Before a label has matured the model is taken at its word, to the bit."""
    assert [Calibration().corrected(log_odds) for log_odds in (-4.0, -0.3, 0.0, 1.7)] == [
        -4.0,
        -0.3,
        0.0,
        1.7,
    ]


def test_too_sure_a_model_is_held_back() -> None:
    """Of a model whose log odds are twice what they should be, most of that is taken back at both ends."""
    calibration = bent(40_000)

    assert calibration.corrected(1.5) < 1.0
    assert calibration.corrected(-1.5) > -1.0
    assert calibration.corrected(0.0) == pytest.approx(0.0, abs=0.1)


def test_few_labels_say_little() -> None:
    """A prior speaks for the model: thirty surprises in a row move log odds by less than a tenth."""
    calibration = taught([(1.5, False, 30), (-1.5, True, 30)])

    assert 1.4 < calibration.corrected(1.5) < 1.5


def test_level_is_left_to_the_model() -> None:
    """Where all are lost more often than was said, by .5 everywhere, next to nothing is corrected."""
    calibration, chance = Calibration(), Random(2)
    for _ in range(20_000):
        said = chance.uniform(-1.5, 1.5)
        calibration.learn(said, churned=chance.random() < 1.0 / (1.0 + exp(-said - 0.5)))

    assert max(map(abs, calibration.corrections()[1:-1])) < 0.15


def test_old_labels_fade() -> None:
    """It follows a model that was too sure and is no more."""
    calibration, chance = bent(40_000), Random(3)
    before = calibration.corrected(1.5)
    for _ in range(60_000):
        said = chance.uniform(-3.0, 3.0)
        calibration.learn(said, churned=chance.random() < 1.0 / (1.0 + exp(-said)))

    assert before < 1.0
    assert calibration.corrected(1.5) == pytest.approx(1.5, abs=0.2)


def test_corrections_are_drawn_through_the_nodes() -> None:
    """At each node the correction is what is stated there, and lines meet."""
    calibration = bent(5_000)
    corrected = [calibration.corrected(node) - node for node in NODES]

    assert corrected == pytest.approx(calibration.corrections())
    assert all(
        calibration.corrected(node - 1e-9) == pytest.approx(calibration.corrected(node)) for node in NODES
    )
    assert all(low < high for low, high in pairwise(map(calibration.corrected, NODES)))


def test_restores_to_the_bit() -> None:
    """Through JSON and back it corrects identically and learns on identically."""
    calibration, copy = bent(3_000), Calibration()
    copy.restore(json.loads(json.dumps(calibration.snapshot())))
    for one in (calibration, copy):
        one.learn(0.4, churned=True)

    assert copy.snapshot() == calibration.snapshot()
    assert copy.corrected(0.7) == calibration.corrected(0.7)


def test_one_that_remembered_more_goes_on() -> None:
    """A snapshot of when twice as much was remembered corrects as it did, and then forgets as fast as all."""
    told = {**bent(20_000).snapshot(), "information": [1_200.0] * len(NODES)}
    calibration = Calibration()
    calibration.restore(told)
    said = calibration.snapshot()
    calibration.learn(0.0, churned=True)

    assert said == told
    assert calibration.snapshot()["information"] == [1_200.0] * 3 + [600.0] * 2 + [1_200.0] * 2


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ("corrections", [9.0] * len(NODES)),
        ("corrections", [0.0]),
        ("corrections", [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]),
        ("sums", [1.0]),
        ("information", [0.0] * len(NODES)),
        ("labels", [-1.0] * len(NODES)),
        ("labels", None),
    ],
)
def test_what_no_calibration_comes_to_is_refused(part: str, told: Any) -> None:
    """A snapshot that would break a bound is refused, and leaves what was there."""
    calibration = bent(1_000)
    before = calibration.snapshot()
    with pytest.raises(ValueError, match="calibration"):
        calibration.restore({**before, part: told})

    assert calibration.snapshot() == before
