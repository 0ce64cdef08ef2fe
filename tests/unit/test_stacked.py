"""Stacked: cold start, frozen features that move, kinds that come up, many at once, and reasons."""

from __future__ import annotations

import json
from math import log, log1p
from random import Random

import numpy as np
import pytest

from stream.churn.bayesian import BayesianLogistic
from stream.churn.bgnbd import BgNbd
from stream.churn.signals import NAMES
from stream.churn.stacked import Stacked


def drawn(count: int, seed: int = 1, **fixed: float) -> list[tuple[dict[str, float], bool]]:
    """Customers of whom those long away are lost, with noise; some features are given."""
    chance = Random(seed)
    customers = []
    for _ in range(count):
        features = {name: chance.uniform(0.0, 3.0) for name in NAMES} | fixed
        customers.append((features, features["recency"] + chance.gauss(0.0, 0.5) > 1.5))
    return customers


def loss(scorer: Stacked, customers: list[tuple[dict[str, float], bool]]) -> float:
    """The mean log loss, while it learns on."""
    total = 0.0
    for features, churned in customers:
        risk = min(max(scorer.predict(features), 1e-3), 1 - 1e-3)
        total -= log(risk if churned else 1 - risk)
        scorer.learn(features, churned=churned)
    return total / len(customers)


def test_before_any_label_it_says_what_bgnbd_says() -> None:
    """Two repeats, the latest on day 20, on day 50: the published formula, to rounding."""
    features = {"frequency": log(4.0), "gap_mean": log(11.0), "recency": log(31.0)}

    assert Stacked(90.0).predict(features) == pytest.approx(BgNbd().silent(2, 20.0, 50.0, 90.0))


SUMMER = [(float(repeats), 30.0 * repeats, 30.0 * repeats + 10.0) for repeats in range(1, 9)] * 10
"""Customers of whom all were here lately: hardly anybody is ever lost, as far as BG/NBD can tell."""

WINTER = [(repeats, latest, age + 150.0) for repeats, latest, age in SUMMER]
"""The same customers five months later, with nobody back yet."""


def test_without_labels_the_level_is_that_of_the_latest_fit() -> None:
    """As long as nothing was learned, what BG/NBD says after a fit is what is said."""
    scorer = Stacked(90.0)
    scorer.refit(SUMMER)
    scorer.refit(WINTER)
    features = {"frequency": log(4.0), "gap_mean": log(11.0), "recency": log(31.0)}

    assert scorer.bgnbd != BgNbd()
    assert scorer.predict(features) == pytest.approx(scorer.bgnbd.silent(2, 20.0, 50.0, 90.0))


@pytest.mark.parametrize(("horizon_days", "moved"), [(365.0, 0.0), (91.310625, 0.5)])
def test_level_that_labels_told_outlasts_a_fit(horizon_days: float, moved: float) -> None:
    """Of what a winter adds to BG/NBD's odds, nothing stays at a year's horizon, half at a quarter's."""
    scorer, chance = Stacked(horizon_days), Random(3)
    scorer.refit(SUMMER)
    customers = [
        {"frequency": log1p(repeats + 1.0), "gap_mean": log1p(30.0), "recency": 0.0}
        for repeats, _, _ in SUMMER
    ]
    for _ in range(50):
        for features in customers:
            scorer.learn(features, churned=chance.random() < 0.3)

    def level() -> float:
        return float(np.mean([scorer.log_odds(features) for features in customers]))

    before, taught = level(), scorer.snapshot()
    scorer.refit(WINTER)
    after = level()
    untaught = Stacked(horizon_days)
    untaught.restore(taught)
    untaught.bgnbd = scorer.bgnbd
    untaught_level = float(np.mean([untaught.log_odds(features) for features in customers]))

    assert untaught_level - before > log(1.5)
    assert (after - before) / (untaught_level - before) == pytest.approx(moved, abs=0.02)


def test_absurd_histories_leave_scores_finite() -> None:
    """Days below 0 and counts beyond all reason, among histories that make a fit possible, spoil nothing."""
    scorer = Stacked(90.0)
    loss(scorer, drawn(300))
    scorer.refit([*SUMMER, (-3.0, -5.0, 1.0), (1e9, 1e11, 1e11), (0.0, -1e9, 1e-9)])

    assert 0.0 < scorer.predict(drawn(1, seed=2)[0][0]) < 1.0


def test_one_repeat_is_one_though_it_comes_back_from_a_log() -> None:
    """Of everyone with one repeat BG/NBD says what it says of one repeat, not of none."""
    features = {"frequency": log1p(2.0), "gap_mean": log1p(10.0), "recency": log1p(100.0)}

    assert Stacked(90.0).predict(features) == pytest.approx(BgNbd().silent(1, 10.0, 110.0, 90.0))


def test_frozen_feature_that_moves_does_no_harm() -> None:
    """After two thousand customers with one open issue, ones with a thousand cost little more than before."""
    scorer = Stacked(90.0)
    loss(scorer, drawn(2_000, open_issues=1.0))
    before = loss(scorer, drawn(500, seed=2, open_issues=1.0))

    assert loss(scorer, drawn(500, seed=3, open_issues=1_000.0)) < 1.1 * before + 0.02


def test_kind_that_comes_up_in_mid_stream_is_learned() -> None:
    """A kind nobody had met costs customers from then on, and that shows."""
    scorer = Stacked(90.0)
    loss(scorer, drawn(500))
    chance = Random(9)
    for features, _ in drawn(1_500, seed=4):
        met = chance.random() < 0.5
        scorer.learn({**features, **({"fault:decayed": 0.7} if met else {})}, churned=met)
    features = drawn(1, seed=5)[0][0]

    assert scorer.predict({**features, "fault:decayed": 0.7}) > 0.85
    assert scorer.predict(features) < 0.15


def test_many_kinds_that_tell_nothing_cost_little() -> None:
    """Twenty kinds at random beside what tells nothing either: they promise no more than one kind would."""
    chance = Random(1)
    plain = [(features, chance.random() < 0.4) for features, _ in drawn(600)]
    met: list[tuple[dict[str, float], bool]] = []
    for features, churned in plain:
        kinds = {
            f"kind-{number}:{what}": chance.uniform(0.2, 2.0)
            for number in range(20)
            if chance.random() < 0.3
            for what in ("count", "decayed", "closeness")
        }
        met.append((features | kinds, churned))

    assert loss(Stacked(90.0), met) < loss(Stacked(90.0), plain) + 0.06


def test_features_are_bounded() -> None:
    """However many kinds there are, the model stays within its limit."""
    model = BayesianLogistic(max_features=10, max_kinds=2, kind_crosses=("recency",))
    for number in range(50):
        model.learn_one({"recency": 1.0, f"kind-{number}:decayed": 1.0}, number % 2 == 0)

    assert len(model.features) == 10
    assert len(model.snapshot()["weights"]) == 1 + 1 + 10 + 2 + 2


def test_many_at_once_are_scored_as_one_by_one() -> None:
    """A row of weights says the same of all, to rounding."""
    scorer = Stacked(90.0)
    loss(scorer, drawn(500))
    customers = [features for features, _ in drawn(50, seed=6)]
    whole = np.array([scorer._read(features).tolist() for features in customers])

    assert scorer.risks(whole[:, 1:], whole[:, 0]) == pytest.approx(
        list(map(scorer.predict, customers)), rel=1e-9
    )


@pytest.mark.parametrize("stopped", range(600, 640, 7))
def test_restart_between_two_additions(stopped: int) -> None:
    """Wherever it stops, what it held and had not added yet moves along: it goes on to the same bits."""
    scorer, customers = Stacked(90.0), drawn(700)
    loss(scorer, customers[:stopped])
    copy = Stacked(90.0)
    copy.restore(json.loads(json.dumps(scorer.snapshot())))

    assert loss(copy, customers[stopped:]) == loss(scorer, customers[stopped:])
    assert copy.snapshot() == scorer.snapshot()


@pytest.mark.parametrize("unread", [float("nan"), float("inf"), None])
def test_what_is_no_number_is_nothing(unread: float | None) -> None:
    """What holds no number is scored and learned from as 0, and what is too large as a large one."""
    scorer = Stacked(90.0)
    loss(scorer, drawn(500))
    features = drawn(1, seed=8)[0][0]
    as_said = 1e12 if unread == float("inf") else 0.0

    assert scorer.predict({**features, "rate": unread}) == pytest.approx(  # type: ignore[dict-item]
        scorer.predict({**features, "rate": as_said}), rel=1e-9
    )
    scorer.learn({**features, "rate": unread}, churned=True)  # type: ignore[dict-item]
    assert 0.0 <= scorer.predict(features) <= 1.0


def test_the_most_telling_signal_is_the_one_that_moved() -> None:
    """What drives the risk of who is long away is that, among thirty signals."""
    scorer = Stacked(90.0)
    loss(scorer, drawn(1_000))
    features = drawn(1, seed=7)[0][0] | {"recency": 3.0}
    parts = scorer.contributions(features)

    assert max(parts, key=lambda name: abs(parts[name])) == "recency"
