"""The experience ledger: how good or bad a moment was, and what all of them sum up to."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.catalogue import Rating, TouchpointType
from schemas.moment import MAX_MOMENTS, Moment
from schemas.profile import Profile, new_profile
from schemas.timestamp import DAY
from stream import experience
from tests.hotel import NOON, PROPERTY_TEST, happened

STARS = TouchpointType(rating=Rating("stars", worst=1, best=5))
PAIN = TouchpointType(rating=Rating("pain", worst=10, best=0))


def ledger(*moments: tuple[int, float]) -> Profile:
    """A profile with moments, each a time and a weight."""
    profile = new_profile("ann")
    for time, weight in moments:
        experience.record(profile, happened("moment", time), weight)
    return profile


def test_weight_of_the_catalogue() -> None:
    """Without a rating a moment weighs what the playbook says."""
    assert experience.weight_of(happened("x", data={"stars": 5}), TouchpointType(weight=-0.4)) == -0.4


@pytest.mark.parametrize(
    ("entry", "data", "weight"),
    [
        (STARS, {"stars": 1}, -1.0),
        (STARS, {"stars": 2}, -0.5),
        (STARS, {"stars": 3}, 0.0),
        (STARS, {"stars": 4.5}, 0.75),
        (STARS, {"stars": 5}, 1.0),
        (PAIN, {"pain": 10}, -1.0),
        (PAIN, {"pain": 2.5}, 0.5),
        (STARS, {"stars": -3}, -1.0),
        (STARS, {"stars": 6}, 1.0),
        (STARS, {"stars": 1e308}, 1.0),
        (PAIN, {"pain": 1.7e308}, -1.0),
        (STARS, {"stars": 10**400}, 1.0),
        (PAIN, {"pain": 10**400}, -1.0),
        (STARS, {"stars": -(10**400)}, -1.0),
        (STARS, {"stars": float("inf")}, 1.0),
        (STARS, {"stars": float("nan")}, 0.0),
        (STARS, {}, 0.0),
        (STARS, {"stars": None}, 0.0),
        (STARS, {"stars": "5"}, 0.0),
        (STARS, {"stars": True}, 0.0),
        (STARS, {"stars": [5]}, 0.0),
    ],
)
def test_weight_of_an_answer(entry: TouchpointType, data: dict[str, Any], weight: float) -> None:
    """An answer weighs by its place on the scale, off the scale as its end, no answer nothing."""
    assert experience.weight_of(happened("x", data=data), entry) == weight


@PROPERTY_TEST
@given(st.integers() | st.floats(), st.floats(-1e12, 1e12), st.floats(-1e12, 1e12))
def test_weight_is_always_between_its_ends(answer: float, worst: float, best: float) -> None:
    """No answer and no scale give a weight beyond −1 or 1."""
    entry = TouchpointType(rating=Rating("stars", worst, best if best != worst else worst + 1))

    assert -1.0 <= experience.weight_of(happened("x", data={"stars": answer}), entry) <= 1.0


def test_moment_says_what_it_was() -> None:
    """The ledger holds time, weight, type and touchpoint of each moment."""
    profile = new_profile("ann")
    experience.record(profile, happened("wait.long", id_="t1"), -0.4)

    assert profile.moments == (Moment(NOON, -0.4, "wait.long", "t1"),)


def test_late_moment_takes_its_place() -> None:
    """Moments stand in order of time, whenever they arrive."""
    profile = ledger((NOON, 0.1), (NOON + 2, 0.2), (NOON + 1, 0.3))

    assert [moment.weight for moment in profile.moments] == [0.1, 0.3, 0.2]


@pytest.mark.parametrize("late", [False, True])
def test_full_ledger_forgets_the_oldest(late: bool) -> None:
    """The oldest moment goes, even if it is the one that has just arrived."""
    times = [NOON + number for number in range(MAX_MOMENTS + 1)]
    if late:
        times = [*times[1:], times[0]]
    profile = ledger(*((time, 0.1) for time in times))

    assert [moment.time for moment in profile.moments] == [NOON + n for n in range(1, MAX_MOMENTS + 1)]


def test_bad_moments_of_a_window() -> None:
    """What counts is at least as bad as asked for, and not before the window."""
    profile = ledger((NOON - 1, -1.0), (NOON, -0.4), (NOON + 1, -0.39), (NOON + 2, 0.9), (NOON + 3, -0.8))

    assert experience.bad_moments(profile, NOON, 0.4) == 2


@pytest.mark.parametrize(("days", "score"), [(0, -0.8), (30, -0.4), (60, -0.2), (-5, -0.8)])
def test_score_halves_in_thirty_days(days: int, score: float) -> None:
    """Time heals by half a month after the other; a clock that is behind changes nothing."""
    assert experience.score(ledger((NOON, -0.8)), NOON + days * DAY) == score


def test_score_is_a_sum() -> None:
    """Good moments make up for bad ones."""
    assert experience.score(ledger((NOON, -0.5), (NOON, 0.75)), NOON) == 0.25
