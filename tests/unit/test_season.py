"""Season: how far labels reach, when a season is gone by, and what came before there were any."""

from __future__ import annotations

import json
from math import exp
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.timestamp import DAY
from stream.churn.forgetting import Forgetting
from stream.churn.kinds import KINDS, new
from stream.churn.season import ANGLES, ENOUGH_SPANS, SPAN_DAYS, Seasons, season_of
from stream.churn.stacked import Stacked

Labels = list[tuple[dict[str, float], bool]]

WINTER, SUMMER = 0, 183
"""Days since the beginning of a year."""


def labels(first: int, last: int, *, depth: float = 1.0, seed: int = 1) -> Labels:
    """Six customers a day, of whom those long away are lost, and more of all in winter."""
    chance = Random(seed)
    drawn = []
    for day in range(first, last):
        season = season_of(day * DAY)
        for _ in range(6):
            away = chance.uniform(0.0, 3.0)
            odds = exp(2.0 * (away - 1.5) + depth * season["year_cos"])
            drawn.append(({"recency": away, **season}, chance.random() < odds / (1.0 + odds)))
    return drawn


def bare(those: Labels) -> Labels:
    """The same, as they were seen before there was a season."""
    return [({"recency": features["recency"]}, churned) for features, churned in those]


def taught(scorer: Stacked, those: Labels) -> Stacked:
    """A scorer that has learned from these."""
    for features, churned in those:
        scorer.learn(features, churned=churned)
    return scorer


def risks(scorer: Stacked, day: int) -> list[float]:
    """What is said at a day of who was away for how long."""
    return [scorer.predict({"recency": away / 4.0, **season_of(day * DAY)}) for away in range(13)]


def seen(*days: float) -> Seasons:
    """What was counted of labels on these days."""
    seasons = Seasons()
    for day in days:
        seasons.see(day)
    return seasons


YOUNG = taught(Stacked(90.0), labels(0, 470))
GROWN = taught(Stacked(90.0), labels(0, 730))


@pytest.mark.parametrize(
    ("days", "counted"),
    [
        ((), 0),
        ((20_500,), 1),
        ((20_500, 20_501, 20_503), 1),
        ((20_500, 20_650, 20_800, 20_950), 4),
        ((20_500, 20_600, 20_510, 20_601, 20_500), 2),
        ((-1, 0, 27.9, 28), 3),
        ((float("nan"), float("inf"), -1e300), 0),
    ],
)
def test_spans_with_labels_are_counted_once(days: tuple[float, ...], counted: int) -> None:
    """Of four weeks each, in whatever order, and what is no time is no span."""
    assert seen(*days).spans == counted


@given(st.permutations([[day for day in range(19_000, 19_400, 7) if day % 4 == part] for part in range(4)]))
def test_partitions_read_one_after_the_other_count_no_time_twice(parts: list[list[int]]) -> None:
    """A backlog may be read a partition at a time: each begins anew where the one before began."""
    assert seen(*(day for part in parts for day in part)).spans == 15


def test_enough_is_a_year_and_a_quarter() -> None:
    """With labels each week that is the 18th span; who has labels in three weeks of a year waits longer."""
    first = 700 * SPAN_DAYS
    assert not seen(*range(first, first + 17 * SPAN_DAYS, 7)).enough
    assert seen(*range(first, first + 17 * SPAN_DAYS + 1, 7)).enough
    assert not seen(*(first + 365 * year + week for year in range(5) for week in (0, 7, 14))).enough


def test_no_more_than_enough_is_kept() -> None:
    """A model does not grow with the years."""
    assert seen(*range(0, 10_000, 7)).snapshot() == list(range(ENOUGH_SPANS))


def test_within_the_first_year_the_season_moves_no_risk() -> None:
    """Whatever the day, the risk is the same to the bit, though what is learned from had a season."""
    assert risks(YOUNG, SUMMER) == risks(YOUNG, WINTER)
    assert YOUNG.seasons.spans == 17


def test_within_the_first_year_risks_are_those_of_who_knows_no_season() -> None:
    """What a season was thought to explain is given back to the other signals."""
    without = taught(Stacked(90.0), bare(labels(0, 470)))

    assert risks(YOUNG, SUMMER) == pytest.approx(risks(without, SUMMER), abs=0.01)


def test_after_it_risks_go_by_the_season() -> None:
    """In winter more are lost: of some 73 % against 27 %, half is believed after 4,380 labels."""
    assert GROWN.seasons.enough
    assert risks(GROWN, WINTER)[6] == pytest.approx(0.58, abs=0.03)
    assert risks(GROWN, SUMMER)[6] == pytest.approx(0.43, abs=0.03)


@pytest.mark.parametrize("scorer", [YOUNG, GROWN])
def test_many_at_once_and_reasons_go_by_the_same_weights(scorer: Stacked) -> None:
    """A table of customers is scored as each alone, and what contributes adds up to the risk."""
    for day in (WINTER, 100, SUMMER):
        season = season_of(day * DAY)
        away = np.arange(13) / 4.0
        table = {"recency": away, **{name: np.full(13, value) for name, value in season.items()}}
        said = risks(scorer, day)
        features = {"recency": 1.5, **season}
        beyond = np.log(said[6] / (1.0 - said[6])) - scorer.average_log_odds

        assert scorer.risks_of(table, 13).tolist() == pytest.approx(said, abs=1e-12)
        assert sum(scorer.contributions(features).values()) == pytest.approx(beyond, abs=1e-9)


def test_the_season_is_no_reason_before_it_is_one() -> None:
    """In the first year it contributes nothing, and then it does."""
    features = {"recency": 1.5, **season_of(WINTER)}

    assert {YOUNG.contributions(features)[name] for name in ANGLES} == {0.0}
    assert sum(GROWN.contributions(features)[name] for name in ANGLES) > 0.1


@pytest.mark.parametrize("kind", [Stacked, Forgetting])
@pytest.mark.parametrize("stopped", [1, 200, 454, 500])
def test_restart(kind: type[Stacked], stopped: int) -> None:
    """Wherever it stops, within the first year or later, it goes on to the same bits."""
    those = labels(0, 560)
    scorer = taught(kind(90.0), those[: 6 * stopped])
    copy = kind(90.0)
    copy.restore(json.loads(json.dumps(scorer.snapshot())))

    assert risks(copy, SUMMER) == risks(scorer, SUMMER)
    rest = those[6 * stopped :]
    assert taught(copy, rest).snapshot() == taught(scorer, rest).snapshot()
    assert risks(copy, SUMMER) == risks(scorer, SUMMER)


def test_model_from_before_goes_on() -> None:
    """What has learned without a season says what it said, meets it, and needs as long as a new one."""
    before = taught(Stacked(90.0), bare(labels(0, 500)))
    assert "season" not in before.snapshot()
    model, without = Stacked(90.0), Stacked(90.0)
    model.restore(before.snapshot())
    without.restore(before.snapshot())

    assert risks(model, WINTER) == risks(before, WINTER)
    for start in range(500, 900, 100):
        rest = labels(start, start + 100, seed=start)
        taught(model, rest)
        taught(without, bare(rest))
        assert risks(model, SUMMER) == pytest.approx(risks(without, SUMMER), abs=0.02)
    assert model.features == ("bgnbd", "bgnbd_lost", "recency", *ANGLES)
    assert not model.seasons.enough
    taught(model, labels(900, 1_230))
    assert risks(model, WINTER)[6] > risks(model, SUMMER)[6] + 0.05


@pytest.mark.parametrize(
    "season",
    [3.0, ["a", 1], [[], 1], [float("nan"), 1], list(range(ENOUGH_SPANS + 1))],
)
def test_broken_season_is_refused(season: Any) -> None:
    """What no season comes to is no snapshot, and the scorer stays as it was."""
    scorer = Stacked(90.0)
    scorer.restore(YOUNG.snapshot())
    with pytest.raises(ValueError, match=r"season|finite"):
        scorer.restore({**GROWN.snapshot(), "season": season})

    assert scorer.snapshot() == YOUNG.snapshot()


def test_what_is_no_covariance_scores_without_season() -> None:
    """A snapshot may say of weights that nothing is uncertain: the season is left out, and all else stays."""
    snapshot = YOUNG.snapshot()
    certain = Stacked(90.0)
    certain.restore({**snapshot, "covariance": [0.0] * len(snapshot["covariance"])})

    assert risks(certain, SUMMER) == risks(certain, WINTER)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.startswith("stacked")])
def test_other_kinds_know_no_season(kind: str) -> None:
    """What has learned with a season is to the bit what has learned without."""
    those = labels(0, 30)
    with_it, without = new(kind, 90.0), new(kind, 90.0)
    for (features, churned), (others, _) in zip(those, bare(those), strict=True):
        with_it.learn(features, churned=churned)
        without.learn(others, churned=churned)

    assert with_it.predict(those[0][0]) == without.predict({"recency": those[0][0]["recency"]})
