"""Outages: which silences are one, how long labels wait for it, and for how long time stands still."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cloudevents import SOURCE
from schemas.ingestion import STEADY, Ingestion, Outage
from schemas.timestamp import DAY, HOUR
from schemas.touchpoint import Moved, Touchpoint
from stream.churn.outages import (
    KEPT,
    LONGEST,
    OUTAGE,
    PATIENCE,
    UNUSUAL,
    USUAL_AFTER,
    after,
    end_of,
    known,
    passed,
    untold,
)
from tests.hotel import NOON, PROPERTY_TEST


def touch(time: int, source: str = "/shop", type_: str = "page.viewed") -> Touchpoint:
    """Someone's touchpoint of a time."""
    return Touchpoint(f"{time}", source, type_, "ann", time, {})


def heard(*times: int, before: Ingestion = STEADY) -> Ingestion:
    """What is known after touchpoints that were told at once."""
    for time in times:
        before = after(before, touch(time), time)
    return before


def hourly(start: int, hours: int, step: int = 1) -> Iterable[int]:
    """Times so many hours apart."""
    return range(start, start + hours * HOUR, step * HOUR)


BUSY = heard(*hourly(NOON, USUAL_AFTER))
"""A shop that is open around the clock, after as long as it takes to know what is usual."""

LAST = NOON + (USUAL_AFTER - 1) * HOUR
"""Its latest touchpoint."""


def test_two_weeks_without_any_touchpoint_are_an_outage() -> None:
    """From a day after the last touchpoint, where labels begin to wait, to the next."""
    end = LAST + 14 * DAY

    assert heard(end, before=BUSY).outages == (Outage(LAST + DAY, end, DAY),)
    assert heard(LAST + OUTAGE - 1, before=BUSY).outages == ()
    assert heard(LAST + OUTAGE, before=BUSY).out_until == LAST + OUTAGE


def test_within_its_first_week_nobody_knows_what_is_usual() -> None:
    """One who began an hour less long ago has no outage, and labels that never wait."""
    early = heard(*hourly(NOON + HOUR, USUAL_AFTER - 1))

    assert heard(LAST + 14 * DAY, before=early).outages == ()
    assert known(early, LAST + 14 * DAY) == (LAST + 14 * DAY, ())


def test_touchpoints_of_one_hour_are_noted_once() -> None:
    """State changes once an hour, however many come; it is the very same in between."""
    assert heard(LAST + HOUR - 1, LAST - DAY, LAST, before=BUSY) is BUSY
    assert Ingestion(latest=LAST, longest=HOUR, hours=USUAL_AFTER) == BUSY


@pytest.mark.parametrize(
    "own",
    [
        touch(LAST + 9 * DAY, source=SOURCE),
        touch(LAST + 9 * DAY, type_="trigger.delivered"),
        Touchpoint("1", "/shop", "page.viewed", "ann", LAST + 9 * DAY, {}, moved=Moved(("eve",), 1)),
    ],
)
def test_what_dangol_made_or_had_the_cause_of_is_no_sign(own: Touchpoint) -> None:
    """Timers fire in an outage too: what they publish, and what services say of it, does not end it."""
    assert after(BUSY, own, LAST + 9 * DAY) is BUSY


def test_labels_wait_from_a_day_on_and_are_made_up_for() -> None:
    """A closed weekend: up to a day nothing waits, then they do, and once it is over nothing was."""
    weekend = LAST + 62 * HOUR

    assert known(BUSY, LAST + PATIENCE) == (LAST + PATIENCE, ())
    assert known(BUSY, LAST + PATIENCE + 1) == (LAST + PATIENCE, ())
    assert known(BUSY, weekend) == (LAST + PATIENCE, ())
    assert known(heard(weekend, before=BUSY), weekend) == (weekend, ())


def test_what_comes_again_and_again_becomes_usual() -> None:
    """Open on Monday to Friday from eight to eight: after three weeks nothing waits at a weekend any more."""
    monday = NOON + 44 * HOUR
    weeks = [monday + week * 7 * DAY + day * DAY for week in range(9) for day in range(5)]
    shop = heard(*(time for day in weeks for time in hourly(day, 12)))

    assert shop.longest == 61 * HOUR
    assert shop.outages == ()
    assert known(shop, shop.latest + 61 * HOUR)[0] == shop.latest + 61 * HOUR


def test_one_odd_silence_does_not_hide_the_next() -> None:
    """Six days are no outage, and two weeks after them still are: what is usual was doubled, no more."""
    odd = heard(LAST + 6 * DAY, before=BUSY)

    assert odd.longest == 2 * HOUR
    assert len(heard(LAST + 20 * DAY, before=odd).outages) == 1


def test_a_shop_with_a_customer_a_week_needs_longer() -> None:
    """Where ten days are usual, five weeks are not unusual, and six are."""
    quiet = heard(*hourly(NOON, USUAL_AFTER * 240, 240))

    assert quiet.longest == 10 * DAY
    assert heard(quiet.latest + 35 * DAY, before=quiet).outages == ()
    assert len(heard(quiet.latest + 42 * DAY, before=quiet).outages) == 1


def test_a_shop_that_stays_shut_gets_its_labels_after_half_a_year() -> None:
    """Nothing waits for ever: whether anyone comes again or not, the outage is over, and the same."""
    end = LAST + PATIENCE + LONGEST

    assert known(BUSY, end - 1) == (LAST + PATIENCE, ())
    assert known(BUSY, end + 5) == (end + 5, (Outage(LAST + PATIENCE, end, DAY),))
    assert heard(end + 5, before=BUSY).outages == known(BUSY, end + 5)[1]


def test_what_is_told_afterwards_is_known() -> None:
    """Once there is something of every other day of the outage, and not by one day of a flood."""
    end = LAST + 15 * DAY
    over = heard(end, before=BUSY)
    flood = over
    for time in hourly(end - DAY, 24):
        flood = after(flood, touch(time + 1), end + HOUR)
    told = over
    for day in range(1, 14, 2):
        told = after(told, touch(end - day * DAY + HOUR), end)

    assert [len(untold(each.outages)) for each in (over, flood, told)] == [1, 1, 0]
    assert after(told, touch(end - HOUR), end) is told
    assert after(over, touch(LAST), end) is over


def test_the_latest_outages_are_remembered() -> None:
    """Each four times what was usual before; the first ones go."""
    seen = heard(*(LAST + 182 * DAY * number for number in range(1, KEPT + 3)), before=BUSY)

    assert len(seen.outages) == KEPT
    assert seen.outages[-1].end == seen.out_until


SILENCES = st.lists(
    st.sampled_from([1, HOUR - 1, HOUR, 5 * HOUR, DAY, 3 * DAY, 8 * DAY, 30 * DAY, 200 * DAY]), max_size=20
)


@PROPERTY_TEST
@given(SILENCES, st.integers(0, 20))
def test_what_is_read_once_more_changes_nothing(silences: list[int], again: int) -> None:
    """State that is ahead of what is read: it stays the same, whatever was read how often."""
    times = [LAST]
    for silence in silences:
        times.append(times[-1] + silence)
    whole = heard(*times, before=BUSY)

    assert heard(*times[-again - 1 :], before=whole) == whole


@PROPERTY_TEST
@given(SILENCES, st.lists(st.integers(0, 2 * LONGEST), min_size=2, max_size=6))
def test_what_is_known_grows_and_catches_up(silences: list[int], later: list[int]) -> None:
    """Never takes back what is known, nor knows what is to come; all is known in the end."""
    time = LAST
    seen = BUSY
    for silence in silences:
        time += silence
        seen = heard(time, before=seen)
    ways = [known(seen, time + each)[0] for each in sorted(later)]
    end = seen.latest + max(PATIENCE, seen.longest) + max(LONGEST, UNUSUAL * seen.longest)

    assert ways == sorted(ways)
    assert all(way <= time + each for way, each in zip(ways, sorted(later), strict=True))
    assert known(seen, end)[0] == end


@PROPERTY_TEST
@given(SILENCES, st.integers(0, 90 * DAY), st.integers(0, 90 * DAY), st.integers(DAY, 90 * DAY))
def test_horizons_keep_their_order(silences: list[int], early: int, later: int, horizon: int) -> None:
    """Who is seen later is known later, by exactly what they share with outages, which looks avoid."""
    time = LAST
    seen = BUSY
    for silence in silences:
        time += silence
        seen = heard(time, before=seen)
    gone = seen.outages
    ends = [end_of(LAST + at, horizon, gone) for at in sorted((early, later))]
    look = passed(LAST + early, horizon, gone)

    assert ends == sorted(ends)
    assert ends[0] - LAST - min(early, later) - horizon == sum(
        max(0, min(ends[0], each.end) - max(LAST + min(early, later), each.start)) for each in gone
    )
    assert (look - LAST - early) % horizon == 0
    assert [each for each in gone if each.start < look <= each.end] == []
