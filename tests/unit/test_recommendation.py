"""Recommendation: what is popular, but for what was declined or just bought."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.families.recommendation import Recommendation, Recommended
from schemas.item import MAX_ITEMS, Item
from schemas.profile import Profile
from schemas.timestamp import DAY
from stream import items
from stream.outcome import Outcome
from stream.recommend.popularity import Popularity
from tests.hotel import NOON, PROPERTY_TEST, happened, reasons, run
from tests.moments import met, moments, playing

ENGINE = moments(playing("liked"))
SEARCH = happened("product.searched")


def liked(outcome: Outcome) -> list[str]:
    """The items that are recommended."""
    (content,) = (trigger.data.content for trigger in outcome.triggers)
    assert isinstance(content, Recommendation)
    return [each.item for each in content.items]


def test_popular_items() -> None:
    """The trigger says what, how popular it is, among whom, and by which table."""
    (outcome,) = run([SEARCH], engine=ENGINE)

    assert outcome.triggers[0].data.content == Recommendation(
        (Recommended("robe", 0.5), Recommended("soap", 0.3)), "popular", "everyone", "popularity@a3fe2348"
    )


@pytest.mark.parametrize(
    ("before", "data", "expected"),
    [
        ("order.placed", {"product": ["robe", "soap"]}, ["tea-set"]),
        ("order.placed", {"product": "soap"}, ["robe", "tea-set"]),
        ("order.placed", {"product": [7, None]}, ["robe", "soap"]),
        ("order.placed", {}, ["robe", "soap"]),
        ("recommendation.declined", {"product": "robe"}, ["soap", "tea-set"]),
        ("page.viewed", {"product": "robe"}, ["robe", "soap"]),
    ],
)
def test_neither_bought_nor_declined(before: str, data: dict[str, Any], expected: list[str]) -> None:
    """What the guest has just bought or does not want is left out, and the next ones move up."""
    outcomes = run([happened(before, NOON - DAY, data), SEARCH], engine=ENGINE)

    assert liked(outcomes[1]) == expected


@pytest.mark.parametrize(("gap", "first"), [(60 * DAY, "soap"), (60 * DAY + 1, "robe")])
def test_bought_long_ago(gap: int, first: str) -> None:
    """What was bought is recommended again after the stated time; what was declined is not."""
    bought = happened("order.placed", NOON - gap, {"product": "robe"})
    declined = happened("recommendation.declined", NOON - 400 * DAY, {"product": "tea-set"})

    assert liked(run([declined, bought, SEARCH], engine=ENGINE)[2])[0] == first


def test_nothing_left() -> None:
    """Whoever has everything is recommended nothing, and the decision says so."""
    bought = happened("order.placed", NOON - DAY, {"product": ["robe", "soap", "tea-set"]})

    assert reasons(run([bought, SEARCH], engine=ENGINE)[1]) == {"liked": "no-item"}


def test_bought_after_it_was_declined() -> None:
    """A later purchase takes the no back: in time it may be recommended like anything else."""
    profile = Profile(1, "ann", items={"robe": Item(NOON - 2, NOON - 1), "soap": Item(NOON, -1)})

    assert items.unwanted(profile, NOON) == {"soap"}
    assert items.unwanted(profile, NOON - 1) == {"soap", "robe"}


def test_what_was_declined_is_kept_longest() -> None:
    """The number of items is bounded, and those bought long ago go before those declined."""
    profile = Profile(1, "ann")
    items.decline(profile, ["no"], NOON)
    for number in range(MAX_ITEMS + 5):
        items.buy(profile, [f"i-{number}"], NOON + number + 1)

    assert len(profile.items) == MAX_ITEMS
    assert "no" in profile.items
    assert "i-5" not in profile.items


def test_popularity_learns_and_changes_its_version() -> None:
    """What is observed counts for the segment and for everyone, and the version says that it does."""
    popularity = Popularity({})
    before = popularity.version
    for item in ("robe", "soap", "soap"):
        popularity.observe(item, "families")

    assert list(popularity.recommend(Profile(1, "ann"), "families")) == [
        ("soap", 0.666667),
        ("robe", 0.333333),
    ]
    assert popularity.counts["everyone"] == {"robe": 1, "soap": 2}
    assert popularity.version != before


@PROPERTY_TEST
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["order.placed", "recommendation.declined", "product.searched"]),
            st.sampled_from(["robe", "soap", "tea-set"]),
            st.integers(0, 40 * DAY),
        ),
        max_size=20,
    )
)
def test_never_what_is_not_wanted(life: list[tuple[str, str, int]]) -> None:
    """Whatever is bought and declined when: nothing is recommended that was declined last, or just bought."""
    at, touchpoints = NOON, []
    for number, (type_, item, gap) in enumerate(life):
        at += gap + 1
        touchpoints.append(met(type_, at, {"product": item, "n": number}))
    outcomes = run(touchpoints, engine=ENGINE)
    for place, outcome in enumerate(outcomes):
        if not outcome.triggers:
            continue
        for item in liked(outcome):
            said = [
                t for t in touchpoints[:place] if t.data["product"] == item and t.type != "product.searched"
            ]
            assert not said or said[-1].type == "order.placed"
            assert [
                t for t in said if t.type == "order.placed" and outcome.triggers[0].time - t.time <= 60 * DAY
            ] == []
