"""The Scorer contract, which every implementation is held to."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.churn.adaptive_forest import AdaptiveForest
from stream.churn.adaptive_tree import AdaptiveTree
from stream.churn.features import NAMES
from stream.churn.forgetting import Forgetting
from stream.churn.logistic import Logistic
from stream.churn.naive_bayes import NaiveBayes
from stream.churn.scorer import Features, Scorer, ordered
from stream.churn.stacked import Stacked
from tests.hotel import PROPERTY_TEST

SCORERS: dict[Callable[[], Scorer], int] = {
    Logistic: 8_000,
    Stacked: 120_000,
    Forgetting: 120_000,
    NaiveBayes: 4_000,
    AdaptiveTree: 600_000,
    partial(AdaptiveForest, trees=3): 2_000_000,
}
"""Every implementation, and the most bytes that a snapshot takes with these features, whatever was learned; a
new one is added here and nowhere else."""

every_scorer = pytest.mark.parametrize("make", SCORERS)

FEATURES = st.dictionaries(
    st.sampled_from([*NAMES, "moon_phase"]),
    st.floats(-1e6, 1e6) | st.sampled_from([0.0, 1e-300, 1e6, -1e6]),
)
"""Some features, of all sizes that a profile can give rise to and then some."""

LESSONS = st.tuples(st.fixed_dictionaries({name: st.floats(-1e6, 1e6) for name in NAMES}), st.booleans())
"""A customer, all features of them, and whether they were lost."""


def customers(count: int, seed: int = 7) -> list[tuple[dict[str, float], bool]]:
    """Customers of whom the silent ones are lost, with some noise."""
    chance = Random(seed)
    drawn = []
    for _ in range(count):
        features = {name: chance.uniform(0.0, 5.0) for name in NAMES}
        drawn.append((features, features["recency"] + chance.uniform(-0.5, 0.5) > 2.5))
    return drawn


def taught(make: Callable[[], Scorer], count: int = 300) -> Scorer:
    """A scorer that has learned."""
    scorer = make()
    for features, churned in customers(count):
        scorer.learn(features, churned=churned)
    return scorer


def size(scorer: Scorer) -> int:
    """Bytes of a snapshot."""
    return len(json.dumps(scorer.snapshot()))


@every_scorer
def test_it_learns(make: Callable[[], Scorer]) -> None:
    """Having seen who is lost, it ranks nearly all pairs of the lost and the kept rightly."""
    scorer = taught(make, 1_000)
    scored = [(scorer.predict(features), churned) for features, churned in customers(200, seed=8)]
    lost = [score for score, churned in scored if churned]
    kept = [score for score, churned in scored if not churned]

    assert sum(a > b for a in lost for b in kept) / (len(lost) * len(kept)) > 0.95


@every_scorer
def test_it_scores_before_it_learned(make: Callable[[], Scorer]) -> None:
    """A new scorer has a figure for everyone, also for someone of whom nothing is known."""
    assert 0.0 <= make().predict({}) <= 1.0
    assert 0.0 <= make().predict(customers(1)[0][0]) <= 1.0


@every_scorer
@settings(PROPERTY_TEST, max_examples=40)
@given(FEATURES, st.lists(LESSONS, max_size=4))
def test_score_is_a_probability(
    make: Callable[[], Scorer], features: Features, lessons: list[tuple[Features, bool]]
) -> None:
    """Missing and unseen features, extremes learned and extremes asked: always from 0 to 1."""
    scorer = make()
    for lesson, churned in lessons:
        scorer.learn(lesson, churned=churned)

    assert 0.0 <= scorer.predict(features) <= 1.0


@every_scorer
def test_input_is_left_alone(make: Callable[[], Scorer]) -> None:
    """Neither learning nor scoring changes the features handed in."""
    features, _ = customers(1)[0]
    before = dict(features)
    scorer = make()
    scorer.predict(features)
    scorer.learn(features, churned=True)

    assert features == before


@every_scorer
def test_features_come_and_go(make: Callable[[], Scorer]) -> None:
    """One that comes up in mid-stream is learned from, one that is left out is 0, and hundreds do no harm."""
    scorer = taught(make)
    drawn = customers(600, seed=3)
    for number, (features, churned) in enumerate(drawn):
        kept = {name: value for place, (name, value) in enumerate(features.items()) if place != number % 13}
        scorer.learn({**kept, f"kind-{number // 2}:decayed": 1.0}, churned=churned)
    asked = customers(1, seed=9)[0][0] | {"gap_std": 0.0}
    missing = {name: value for name, value in asked.items() if name != "gap_std"}

    assert 0.0 <= scorer.predict(asked) <= 1.0
    assert scorer.predict(missing) == scorer.predict(asked)
    assert size(scorer) < 9_000_000


@every_scorer
def test_scoring_teaches_nothing(make: Callable[[], Scorer]) -> None:
    """A score is a question: asking changes no later answer and no snapshot, unseen features included."""
    scorer = taught(make)
    before = json.dumps(scorer.snapshot())
    for features, _ in customers(20, seed=9):
        scorer.predict({**features, "moon_phase": 0.5})

    assert json.dumps(scorer.snapshot()) == before


@every_scorer
def test_snapshot_restores_to_the_bit(make: Callable[[], Scorer]) -> None:
    """Through JSON and back, a scorer predicts identically, and goes on learning identically."""
    scorer, copy = taught(make), taught(make, 3)
    copy.restore(json.loads(json.dumps(scorer.snapshot())))
    for features, churned in customers(100, seed=9):
        assert copy.predict(features) == scorer.predict(features)
        copy.learn(features, churned=churned)
        scorer.learn(features, churned=churned)

    assert copy.snapshot() == scorer.snapshot()


@every_scorer
def test_snapshot_of_a_new_scorer(make: Callable[[], Scorer]) -> None:
    """What learned nothing yet can be moved too, and wipes what the other had learned."""
    scorer = taught(make)
    scorer.restore(json.loads(json.dumps(make().snapshot())))

    assert scorer.predict(customers(1)[0][0]) == make().predict(customers(1)[0][0])


@every_scorer
def test_snapshot_is_no_window(make: Callable[[], Scorer]) -> None:
    """A snapshot stays as it was while the scorer learns on, and a restored copy is on its own."""
    scorer, copy = taught(make), make()
    snapshot = scorer.snapshot()
    before = json.dumps(snapshot)
    copy.restore(snapshot)
    for features, churned in customers(20, seed=9):
        scorer.learn(features, churned=churned)
        copy.learn(features, churned=not churned)

    assert json.dumps(snapshot) == before


@every_scorer
@pytest.mark.parametrize("spoilt", [float("nan"), float("inf"), -float("inf")])
def test_snapshot_that_is_not_finite(make: Callable[[], Scorer], spoilt: float) -> None:
    """One bad number anywhere and the snapshot is refused; the scorer stays as it was."""
    scorer = taught(make)
    features, _ = customers(1)[0]
    before = scorer.predict(features)

    def spoil(value: Any) -> Any:
        """The value with its first number spoilt."""
        if isinstance(value, dict):
            return {
                name: spoil(inner) if place == 0 else inner
                for place, (name, inner) in enumerate(value.items())
            }
        return spoilt

    numbers = [name for name, value in scorer.snapshot().items() if not isinstance(value, str)]
    for name in numbers:
        snapshot = scorer.snapshot()
        with pytest.raises(ValueError, match=name):
            scorer.restore({**snapshot, name: spoil(snapshot[name])})

    assert scorer.predict(features) == before


@every_scorer
def test_snapshot_of_another_kind(make: Callable[[], Scorer]) -> None:
    """What is no snapshot, or lacks a part, is refused; the scorer stays as it was."""
    scorer = taught(make)
    features, _ = customers(1)[0]
    before = scorer.predict(features)
    snapshot = scorer.snapshot()
    for broken in (
        {},
        {"kind": "oracle"},
        *({k: v for k, v in snapshot.items() if k != gone} for gone in snapshot),
    ):
        with pytest.raises(ValueError, match=r"snapshot|lacks|kind"):
            scorer.restore(broken)

    assert scorer.predict(features) == before


@every_scorer
def test_size_does_not_grow_with_what_was_seen(make: Callable[[], Scorer]) -> None:
    """However many customers there were, the snapshot takes no more bytes than are stated."""
    assert [count for count in (100, 2_000) if size(taught(make, count)) > SCORERS[make]] == []


@pytest.mark.parametrize("make", [Logistic, Stacked, Forgetting, NaiveBayes])
def test_weights_take_as_much_as_at_first(make: Callable[[], Scorer]) -> None:
    """What is no tree takes for ten times as many customers what it took before, save for the digits."""
    assert size(taught(make, 1_000)) < size(taught(make, 100)) * 1.2


def test_logistic_predicts_what_its_pipeline_does() -> None:
    """The loop that scores gives River's own answer, to rounding, also for clipped and missing features."""
    scorer = Logistic()
    for features, churned in customers(300):
        scorer.learn(features, churned=churned)
    for features, _ in customers(100, seed=9):
        first = next(iter(features))
        missing = {name: value for name, value in features.items() if name != first}
        for asked in (features, {**features, first: 1e6}, missing):
            assert scorer.pipeline.predict_proba_one({first: 0.0, **asked})[True] == pytest.approx(
                scorer.predict(asked), rel=1e-12, abs=1e-15
            )


@every_scorer
@settings(PROPERTY_TEST, max_examples=40)
@given(st.permutations(NAMES), st.lists(st.floats(-1e6, 1e6) | st.just(0.0), min_size=13, max_size=13))
def test_order_or_names_are_the_same(
    make: Callable[[], Scorer], names: list[str], values: list[float]
) -> None:
    """Features in an order that is agreed on are scored as they are by their names, to the bit."""
    scorer = taught(make, 30)
    features = dict(zip(names, values, strict=True))

    assert scorer.predict(features) == ordered(scorer, names)(tuple(values))
