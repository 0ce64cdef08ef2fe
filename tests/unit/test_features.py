"""Features: what a model sees of a customer, always finite."""

from __future__ import annotations

from math import isfinite, log, log1p

import pytest

from schemas.profile import new_profile
from schemas.timestamp import DAY
from schemas.touchpoint import MAX_TIME
from stream.churn.features import NAMES, features_of
from tests.hotel import NOON, after, happened

BUYER = [
    happened("order.placed", NOON - 30 * DAY, amount=30.0),
    happened("order.placed", NOON - 20 * DAY, amount=60.0),
    happened("complaint.opened", NOON - 20 * DAY + 1),
    happened("order.placed", NOON - 10 * DAY, amount=90.0),
]


def test_names_are_the_features() -> None:
    """The features are those that are documented, in that order, for anyone."""
    assert tuple(features_of(new_profile("ann"), NOON)) == NAMES
    assert tuple(features_of(after(BUYER), NOON)) == NAMES


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("recency", log1p(10)),
        ("frequency", log1p(3)),
        ("tenure", log1p(30)),
        ("mean_amount", log1p(60)),
        ("last_amount", log1p(90)),
        ("gap_mean", log1p(10)),
        ("gap_std", 0.0),
        ("overdue", 0.0),
        ("experience", -0.8 * 2 ** (-20 / 30)),
        ("open_issues", 1.0),
        ("decayed_7", log1p(2 ** (-30 / 7) + 2 * 2 ** (-20 / 7) + 2 ** (-10 / 7))),
        ("decayed_28", log1p(2 ** (-30 / 28) + 2 * 2 ** (-20 / 28) + 2 ** (-10 / 28))),
        ("decayed_90", log1p(2 ** (-30 / 90) + 2 * 2 ** (-20 / 90) + 2 ** (-10 / 90))),
    ],
)
def test_features_of_a_buyer(name: str, value: float) -> None:
    """Each feature is what its definition says of three purchases and a complaint."""
    assert features_of(after(BUYER), NOON)[name] == pytest.approx(value, abs=1e-6)


def test_overdue_grows_with_silence() -> None:
    """Twice the usual gap later the customer is overdue by the ratio of the two."""
    assert features_of(after(BUYER), NOON + 10 * DAY)["overdue"] == pytest.approx(log(21 / 11), abs=1e-6)


def test_buying_is_not_looking() -> None:
    """Who looks without buying has tenure and no frequency; recency runs from the first look."""
    features = features_of(after([happened("page.viewed", NOON - 3 * DAY), happened("page.viewed")]), NOON)

    assert (features["recency"], features["frequency"], features["last_amount"]) == (log1p(3), 0.0, 0.0)


@pytest.mark.parametrize("now", [0, NOON, MAX_TIME - 1])
@pytest.mark.parametrize("amount", [1e12, -1e12, None])
def test_features_are_finite(now: int, amount: float | None) -> None:
    """The largest sums, refunds beyond them and clocks at either end give finite features."""
    profile = after(
        [
            happened("order.placed", at, amount=amount)
            for at in (0, 1, DAY, MAX_TIME - DAY, MAX_TIME - 1, NOON)
        ]
    )

    assert all(isfinite(value) for value in features_of(profile, now).values())
