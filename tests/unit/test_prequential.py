"""Prequential: which points there are, when their labels mature, and that the future leaks into nothing."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import msgspec
import pytest

from schemas.catalogue import TouchpointType
from schemas.playbook import Playbook
from schemas.timestamp import DAY
from schemas.touchpoint import Touchpoint
from stream.churn.prequential import Prequential, Scored
from stream.churn.scorer import Features
from stream.churn.stacked import Stacked
from tests.hotel import HOTEL

MONDAY = 1_767_571_200_000
"""5 January 2026 at midnight, UTC, in ms."""

PLAYBOOK: Playbook = msgspec.structs.replace(
    HOTEL, plays=(), catalogue={"order.placed": TouchpointType(effect="activity"), "called": TouchpointType()}
)


class Diary:
    """A Scorer that writes down what it is asked and taught, and always says 0.25."""

    def __init__(self) -> None:
        self.entries: list[str] = []

    def predict(self, features: Features) -> float:
        """Say 0.25."""
        self.entries.append("asked")
        return 0.25

    def learn(self, features: Features, *, churned: bool) -> None:
        """Write the label down."""
        self.entries.append("churned" if churned else "stayed")

    def snapshot(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def restore(self, snapshot: Any) -> None:
        """Nothing."""


def touch(customer: str, day: float, type_: str = "order.placed") -> Touchpoint:
    """A touchpoint at a day from Monday on."""
    time = MONDAY + round(day * DAY)
    return Touchpoint(f"{customer}-{type_}-{day}", "/shop", type_, customer, time, {}, amount=10.0)


def passed(
    touchpoints: list[Touchpoint], horizon: float = 30.0, every: float = 0.0
) -> tuple[list[Scored], list[str], Prequential]:
    """The points, the diary, and the pass."""
    diary = Diary()
    run = Prequential(PLAYBOOK, [diary], int(horizon * DAY), every=int(every * DAY))
    return list(run.run(touchpoints)), diary.entries, run


def lives(seed: int = 1, customers: int = 40, days: int = 240) -> list[Touchpoint]:
    """Customers of different rates who leave one after another, some of them after a call."""
    chance = Random(seed)
    touchpoints = []
    for number in range(customers):
        day = chance.uniform(0, days / 2)
        rate = chance.uniform(3, 30)
        while day < days:
            touchpoints.append(touch(f"c{number}", round(day, 3)))
            if chance.random() < 0.2:
                touchpoints.append(touch(f"c{number}", round(day + 0.4, 3), "called"))
            if chance.random() < 0.12:
                break
            day += chance.expovariate(1 / rate)
    return sorted(touchpoints, key=lambda one: one.time)


@pytest.mark.parametrize(
    ("days_later", "churned"), [(30.0, False), (30.0 + 1 / 86_400, True), (29.0, False), (0.5, True)]
)
def test_return_at_exactly_the_horizon_is_a_return(days_later: float, churned: bool) -> None:
    """A second later is too late, and a second purchase on the same day is no return."""
    points, _, _ = passed([touch("ann", 0), touch("ann", days_later), touch("bob", 50)])

    assert points[0].churned is churned


def test_labels_of_both_classes_wait_until_the_horizon() -> None:
    """Who came back the next day teaches it no sooner than who did not; both before what is scored then."""
    points, diary, _ = passed([touch("ann", 0), touch("bob", 0), touch("ann", 1), touch("eve", 30)])

    assert diary == ["asked", "asked", "asked", "stayed", "churned", "asked"]
    assert [point.risks for point in points] == [(0.25,), (0.25,)]


def test_other_kinds_come_first_and_never_label() -> None:
    """At one moment a call is known when the purchase is scored; a call later is no return."""
    calls = [touch("ann", 0, "called"), touch("ann", 9, "called")]
    points, _, _ = passed([touch("ann", 0), *calls, touch("bob", 30)])

    assert points[0].features["called:count"] == pytest.approx(0.6931, abs=1e-4)
    assert points[0].churned is True


def test_weekly_looks_end_with_half_a_year_of_silence() -> None:
    """From day 13.5 on, every seven days, for as long as the latest activity is within 182 days."""
    points, _, run = passed([touch("ann", 0), touch("bob", 400)], every=7)
    days = [(point.time - MONDAY) / DAY for point in points]

    assert (days[0], days[1], days[-1], len(days)) == (13.5, 20.5, 181.5, 25)
    assert run.pending() == 0


def test_duplicates_count_once() -> None:
    """The same touchpoint twice is one, and makes no point of its own."""
    points, diary, run = passed([touch("ann", 0), touch("ann", 0), touch("bob", 40)])

    assert (len(points), diary.count("asked"), run.duplicates) == (1, 2, 1)


def test_an_outage_lets_labels_wait() -> None:
    """Where nothing was told for two weeks, who comes back as much later has come back."""
    often = [touch(f"c{place}", place / 6) for place in range(240)]
    rest = [touch(f"d{day}", day) for day in range(55, 90)]
    points, _, run = passed(
        [*often, touch("late", 54), *rest[:8], touch("c120", 62.5), *rest[8:]], horizon=30
    )
    of_c20 = next(point for point in points if point.time == MONDAY + 20 * DAY)

    assert run.outages == 1
    assert of_c20.churned is False


def test_the_future_changes_no_score() -> None:
    """With everything after day 150 shuffled among customers, all scores before are the same bits."""
    touchpoints = lives()
    cut = MONDAY + 150 * DAY
    late = [one for one in touchpoints if one.time > cut]
    chance = Random(3)
    times, customers = [one.time for one in late], [one.customer for one in late]
    chance.shuffle(customers)
    other = [
        msgspec.structs.replace(one, time=time, customer=customer)
        for one, time, customer in zip(late, times, customers, strict=True)
    ]
    changed = [one for one in touchpoints if one.time <= cut] + other

    def scores(stream: list[Touchpoint]) -> list[tuple[int, str]]:
        run = Prequential(PLAYBOOK, [Stacked(30.0)], 30 * DAY)
        return [(point.time, point.risks[0].hex()) for point in run.run(stream) if point.time <= cut]

    before = scores(touchpoints)
    assert len(before) > 100
    # Whether a point has a label by the end depends on the end: all but those are the same, in order.
    assert scores(changed) == before


@pytest.mark.parametrize("every", [0, 7 * DAY])
def test_restart_in_mid_stream_changes_nothing(every: int) -> None:
    """Through a snapshot as JSON can hold it, with points pending, the rest is scored to the same bits."""
    touchpoints = lives()
    whole = Prequential(PLAYBOOK, [Stacked(30.0)], 30 * DAY, every=every)
    expected = [point.risks[0].hex() for point in whole.run(touchpoints)]

    cut = next(place for place, one in enumerate(touchpoints) if one.time > MONDAY + 120 * DAY)
    first = Prequential(PLAYBOOK, [Stacked(30.0)], 30 * DAY, every=every)
    found = [point.risks[0].hex() for point in first.run(touchpoints[:cut])]
    stored = json.loads(msgspec.json.encode(first.snapshot()))
    stored["profiles"] = first.snapshot()["profiles"]
    assert first.pending() > 20

    second = Prequential(PLAYBOOK, [Stacked(30.0)], 30 * DAY, every=every)
    second.restore(stored)
    found += [point.risks[0].hex() for point in second.run(touchpoints[cut:])]

    assert found == expected


def test_order_of_time_is_asked_for() -> None:
    """A stream that goes back in time is refused."""
    with pytest.raises(ValueError, match="in order of time"):
        passed([touch("ann", 3), touch("ann", 2)])
