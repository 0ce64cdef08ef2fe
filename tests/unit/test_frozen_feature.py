"""What stood still for months and then moves: from touchpoints to risks, month by month."""

from __future__ import annotations

from functools import cache
from itertools import groupby
from random import Random
from statistics import median

import msgspec
import pytest

from schemas.catalogue import TouchpointType
from schemas.playbook import Playbook
from schemas.timestamp import DAY
from schemas.touchpoint import Touchpoint
from stream.churn.drift import Drift
from stream.churn.forgetting import Forgetting
from stream.churn.prequential import Prequential, Scored
from stream.churn.quality import log_loss_of
from stream.churn.stacked import Stacked
from tests.hotel import HOTEL

MONDAY = 1_767_571_200_000
"""5 January 2026 at midnight, UTC, in ms."""

FROZEN_DAYS = 100
"""So long every purchase is of 10.00, and nobody calls."""

MONTH = 28

PLAYBOOK: Playbook = msgspec.structs.replace(
    HOTEL, plays=(), catalogue={"order.placed": TouchpointType(effect="activity"), "called": TouchpointType()}
)


def lives(customers: int = 220, days: int = 330) -> list[Touchpoint]:
    """Customers who come until they are lost, and others in their place; in order of time."""
    chance = Random(11)
    found = []
    for number in range(customers):
        day, generation = chance.uniform(0.0, 5.0), 0
        while day < days:
            customer, pace = f"{number}.{generation}", chance.uniform(3.0, 15.0)
            while day < days:
                frozen = day < FROZEN_DAYS
                amount = 10.0 if frozen else chance.lognormvariate(6.0, 2.0)
                found.append((day, customer, "order.placed", amount))
                if not frozen and chance.random() < 0.5:
                    found.append((day + 0.01, customer, "called", 0.0))
                if chance.random() < 0.08:
                    break
                day += chance.expovariate(1.0 / pace)
            day, generation = day + chance.uniform(1.0, 40.0), generation + 1
    return [
        Touchpoint(f"{number}", "/shop", type_, customer, MONDAY + round(day * DAY), {}, amount=amount)
        for number, (day, customer, type_, amount) in enumerate(sorted(found))
    ]


@cache
def passed(make: type[Stacked]) -> list[Scored]:
    """Every customer at every look, week by week, with what was said then."""
    run = Prequential(PLAYBOOK, [make(30.0)], 30 * DAY, every=7 * DAY, longest_silence=40 * DAY)
    return list(run.run(lives()))


def day_of(point: Scored) -> int:
    """The day of a look, from Monday on."""
    return (point.time - MONDAY) // DAY


@pytest.mark.parametrize("make", [Stacked, Forgetting])
def test_the_worst_month_is_no_tenth_above_the_median(make: type[Stacked]) -> None:
    """Amounts and calls stood still for 100 days and move: no 28 days are above 1.1 times the median."""
    by_month: dict[int, list[Scored]] = {}
    for point in passed(make):
        by_month.setdefault(day_of(point) // MONTH, []).append(point)
    losses = [
        log_loss_of([point.risks[0] for point in points], [point.churned for point in points])
        for month, points in sorted(by_month.items())
        if month >= 2
    ]

    assert len(losses) == 9
    assert max(losses) <= 1.1 * median(losses)


def test_what_moves_is_told_as_drift() -> None:
    """Amounts have drifted within four days, calls within four weeks; neither had while it stood still."""
    drift, chance = Drift(), Random(1)
    found: dict[str, list[int]] = {}
    for _, look in groupby(passed(Stacked), key=day_of):
        # Customers are looked at one by one in their own time, and not those first who were here first.
        for point in sorted(look, key=lambda _: chance.random()):
            for what in drift.see(point.features, point.risks[0], 0.5):
                found.setdefault(what, []).append(day_of(point))

    assert (found["mean_amount"][0], found["last_amount"][0]) == (104, 104)
    assert FROZEN_DAYS < found["called:decayed"][0] < FROZEN_DAYS + MONTH
