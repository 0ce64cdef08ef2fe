"""What stood still for months and then moves: from touchpoints to risks, month by month."""

from __future__ import annotations

from random import Random
from statistics import median

import msgspec
import pytest

from schemas.catalogue import TouchpointType
from schemas.playbook import Playbook
from schemas.timestamp import DAY
from schemas.touchpoint import Touchpoint
from stream.churn.forgetting import Forgetting
from stream.churn.prequential import Prequential
from stream.churn.quality import log_loss_of
from stream.churn.scorer import Scorer
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


def months(scorer: Scorer) -> list[float]:
    """The log loss of each 28 days, after the first month of labels."""
    points = list(
        Prequential(PLAYBOOK, [scorer], 30 * DAY, every=7 * DAY, longest_silence=40 * DAY).run(lives())
    )
    by_month: dict[int, list[tuple[float, bool]]] = {}
    for point in points:
        day = (point.time - MONDAY) // DAY
        by_month.setdefault(day // MONTH, []).append((point.risks[0], point.churned))
    return [
        log_loss_of([risk for risk, _ in said], [churned for _, churned in said])
        for month, said in sorted(by_month.items())
        if month >= 2
    ]


@pytest.mark.parametrize("make", [Stacked, Forgetting])
def test_the_worst_month_is_no_tenth_above_the_median(make: type[Stacked]) -> None:
    """Amounts and calls stood still for 100 days and move: no 28 days are above 1.1 times the median."""
    losses = months(make(30.0))

    assert len(losses) == 9
    assert max(losses) <= 1.1 * median(losses)
