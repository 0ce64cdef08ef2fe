"""Recency, frequency, money: sums that don't depend on the order of arrival."""

from __future__ import annotations

from statistics import fmean, variance

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.kinds import MAX_KINDS, OTHER_KIND, Kind
from schemas.profile import MAX_DAYS, Profile, new_profile
from schemas.timestamp import DAY, HOUR
from stream.recency import count, count_activity, merge
from tests.hotel import NOON, PROPERTY_TEST, happened


def counted(*times: int, type_: str = "page.viewed") -> Profile:
    """A profile that has seen touchpoints at these times."""
    profile = new_profile("ann")
    for time in times:
        count(profile, happened(type_, time))
    return profile


def assert_same_kinds(one: Profile, other: Profile) -> None:
    """Counts and times to the bit, decayed counts to rounding."""
    assert [(name, kind.count, kind.last) for name, kind in sorted(one.kinds.items())] == [
        (name, kind.count, kind.last) for name, kind in sorted(other.kinds.items())
    ]
    for name, kind in one.kinds.items():
        assert other.kinds[name].decayed == pytest.approx(kind.decayed, rel=1e-6)


def bought(*purchases: tuple[int, float | None]) -> Profile:
    """A profile with purchases, each a time and an amount."""
    profile = new_profile("ann")
    for time, amount in purchases:
        count_activity(profile, happened("order.placed", time, amount=amount))
    return profile


def test_first_touchpoint() -> None:
    """With the first touchpoint everything begins at one."""
    profile = counted(NOON)

    assert (profile.touchpoints, profile.first_seen, profile.last_seen) == (1, NOON, NOON)
    assert profile.decayed == (1.0, 1.0, 1.0)
    assert dict(profile.kinds) == {"page.viewed": Kind(1, NOON, 1.0)}


@pytest.mark.parametrize(
    ("days", "decayed"),
    [(7, (1.5, 1.8409, 1.9475)), (28, (1.0625, 1.5, 1.8060)), (90, (1.0001, 1.1077, 1.5))],
)
def test_counts_halve_by_their_half_life(days: int, decayed: tuple[float, float, float]) -> None:
    """After a half-life the first touchpoint counts half beside the second."""
    assert counted(NOON, NOON + days * DAY).decayed == pytest.approx(decayed, abs=1e-4)


def test_late_touchpoint_counts_by_its_own_age() -> None:
    """A touchpoint that arrives a week late counts half, and does not make the customer look stale."""
    profile = counted(NOON, NOON - 7 * DAY)

    assert (profile.first_seen, profile.last_seen) == (NOON - 7 * DAY, NOON)
    assert profile.decayed[0] == 1.5
    kind = profile.kinds["page.viewed"]
    assert (kind.count, kind.last) == (2, NOON)
    assert kind.decayed == pytest.approx(1.0 + 2**-0.25, rel=1e-7)


def test_kinds_beyond_the_limit_are_counted_together() -> None:
    """The limit and one more: known kinds go on being counted by name."""
    profile = new_profile("ann")
    for number in range(MAX_KINDS + 2):
        count(profile, happened(f"kind-{number}", NOON + number))
    count(profile, happened("kind-0", NOON + 99))

    assert len(profile.kinds) == MAX_KINDS + 1
    other, first = profile.kinds[OTHER_KIND], profile.kinds["kind-0"]
    assert (other.count, other.last) == (2, NOON + MAX_KINDS + 1)
    assert (first.count, first.last) == (2, NOON + 99)


@PROPERTY_TEST
@given(
    st.lists(st.integers(NOON - 400 * DAY, NOON), min_size=1, max_size=20).flatmap(
        lambda times: st.tuples(st.just(times), st.permutations(times))
    )
)
def test_order_of_arrival_does_not_matter(orders: tuple[list[int], list[int]]) -> None:
    """Any order of the same touchpoints gives the same counts, first and last times."""
    first, second = (counted(*order) for order in orders)

    assert second.decayed == pytest.approx(first.decayed, rel=1e-9)
    assert (second.first_seen, second.last_seen) == (first.first_seen, first.last_seen)
    assert second.touchpoints == first.touchpoints
    assert_same_kinds(first, second)


def test_purchases_of_one_day_are_one_active_day() -> None:
    """Money adds up at once; the day counts once, from midnight to midnight UTC."""
    profile = bought((NOON, 10.0), (NOON + 11 * HOUR, 5.5), (NOON + 12 * HOUR, None))

    assert (profile.spent, profile.last_amount, profile.active_days) == (15.5, 0.0, 2)
    assert profile.last_active == NOON + 12 * HOUR
    assert profile.gap_mean == 1.0


def test_late_purchase_finds_its_day() -> None:
    """A purchase reported late is money spent on a day of its own; the latest one stays the latest."""
    profile = bought((NOON, 10.0), (NOON - 3 * DAY, 99.0))

    assert (profile.spent, profile.last_amount, profile.active_days) == (109.0, 10.0, 2)
    assert (profile.last_active, profile.gap_mean) == (NOON, 3.0)


@PROPERTY_TEST
@given(st.lists(st.integers(1, 400), min_size=2, max_size=30))
def test_gaps_have_the_mean_and_variance_of_statistics(gaps: list[int]) -> None:
    """The running mean and sum of squares are those that a look at all gaps would give."""
    day = NOON
    purchases: list[tuple[int, float | None]] = [(day, 1.0)]
    for gap in gaps:
        day += gap * DAY
        purchases.append((day, 1.0))
    profile = bought(*purchases)

    assert profile.gap_mean == pytest.approx(fmean(gaps))
    assert profile.gap_m2 / (len(gaps) - 1) == pytest.approx(variance(gaps), abs=1e-6)


def test_late_day_among_those_remembered_parts_a_gap() -> None:
    """With more active days than are remembered, a late one still finds its place among the latest."""
    days = list(range(2, 3 * MAX_DAYS + 1, 2))
    late = days[-2] - 1
    profile = bought(*((NOON + day * DAY, 1.0) for day in [*days, late]))
    expected = bought(*((NOON + day * DAY, 1.0) for day in sorted([*days, late])))

    assert len(days) > MAX_DAYS
    assert profile.active_days == expected.active_days == len(days) + 1
    assert profile.days == expected.days
    assert profile.gap_mean == pytest.approx(expected.gap_mean, rel=1e-9)
    assert profile.gap_m2 == pytest.approx(expected.gap_m2, rel=1e-9)


def test_day_before_all_that_are_remembered_is_taken_as_counted() -> None:
    """Where days were forgotten, nobody knows whether an older one is new; its money counts."""
    days = range(0, 2 * (MAX_DAYS + 5), 2)
    profile = bought(*((NOON + day * DAY, 1.0) for day in days), (NOON + DAY, 1.0))

    assert (profile.active_days, profile.spent) == (len(days), len(days) + 1.0)


def test_profile_of_before_days_were_remembered_goes_on() -> None:
    """The latest active day is known, and the next ones are added to it."""
    profile = bought((NOON, 1.0), (NOON + 3 * DAY, 1.0))
    profile.days = b""
    count_activity(profile, happened("order.placed", NOON + 5 * DAY))
    count_activity(profile, happened("order.placed", NOON + 4 * DAY))

    assert (profile.active_days, len(profile.days) // 2) == (4, 3)
    assert profile.gap_mean == pytest.approx(5 / 3)


@PROPERTY_TEST
@given(st.lists(st.tuples(st.integers(0, 300), st.booleans()), max_size=40))
def test_merged_purchases_are_those_of_one(purchases: list[tuple[int, bool]]) -> None:
    """Days that are in both profiles count once, money counts always."""
    mine, theirs = (
        bought(*((NOON + day * DAY, 2.0) for day, ours in purchases if ours is side))
        for side in (True, False)
    )
    expected = bought(*((NOON + day * DAY, 2.0) for day, _ in sorted(purchases)))
    for profile in (mine, theirs):
        profile.touchpoints = 1
    merge(mine, theirs)

    for field in ("active_days", "days", "gap_mean", "gap_m2", "spent", "last_active"):
        assert getattr(mine, field) == getattr(expected, field)


@PROPERTY_TEST
@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(-5, 50)), min_size=1, max_size=MAX_DAYS).flatmap(
        lambda bought: st.tuples(st.just(bought), st.permutations(bought))
    )
)
def test_late_purchases_decay_by_their_own_age(orders: tuple[list[tuple[int, int]], ...]) -> None:
    """Any order of the same purchases gives the decayed days and money that their ages ask for."""
    first, second = (bought(*((NOON + day * DAY, float(money)) for day, money in order)) for order in orders)
    last = max(day for day, _ in orders[0])
    ages = [last - day for day in {day for day, _ in orders[0]}]

    for profile in (first, second):
        for decayed, half_life in zip(profile.active_decayed, (7, 28, 90), strict=True):
            assert decayed == pytest.approx(sum(2 ** (-age / half_life) for age in ages), rel=1e-9)
        money = sum(amount * 2 ** (-(last - day) / 90) for day, amount in orders[0])
        assert profile.spent_decayed == pytest.approx(money, rel=1e-9, abs=1e-9)


def test_kinds_decay_by_themselves() -> None:
    """A kind halves every 28 days, as at its own latest touchpoint, whatever order it came in."""
    times = (NOON, NOON - 28 * DAY, NOON - 56 * DAY)

    assert counted(*times).kinds["page.viewed"] == Kind(3, NOON, 1.75)
    assert counted(*reversed(times)).kinds["page.viewed"] == Kind(3, NOON, 1.75)


def test_profile_of_before_decayed_days_goes_on() -> None:
    """The days that are remembered tell what had been counted; so does a late one afterwards."""
    profile = bought((NOON, 1.0), (NOON + 28 * DAY, 1.0))
    profile.active_decayed = (0.0, 0.0, 0.0)
    count_activity(profile, happened("order.placed", NOON + 56 * DAY))

    assert profile.active_decayed[1] == pytest.approx(1.75)


@PROPERTY_TEST
@given(st.lists(st.tuples(st.integers(0, 300), st.booleans()), min_size=1, max_size=3 * MAX_DAYS))
def test_merged_decays_are_those_of_one(purchases: list[tuple[int, bool]]) -> None:
    """Two profiles of one customer add up to what one would have counted; a shared day counts once."""
    ordered = sorted(purchases)
    mine, theirs = (
        bought(*((NOON + day * DAY, 2.0) for day, ours in ordered if ours is side)) for side in (True, False)
    )
    expected = bought(*((NOON + day * DAY, 2.0) for day, _ in ordered))
    for profile in (mine, theirs):
        profile.touchpoints = 1
    known = mine.active_days + theirs.active_days <= MAX_DAYS
    merge(mine, theirs)

    assert mine.spent_decayed == pytest.approx(expected.spent_decayed, rel=1e-9)
    if known:
        assert mine.active_decayed == pytest.approx(expected.active_decayed, rel=1e-9)
