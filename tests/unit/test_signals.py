"""Signals: what the wider feature set says of a customer, always finite."""

from __future__ import annotations

from math import isfinite, log, log1p

import msgspec
import pytest

from schemas import kinds as kinds_codec
from schemas.kinds import MAX_KINDS
from schemas.profile import MAX_DAYS, encode, new_profile
from schemas.timestamp import DAY
from schemas.touchpoint import MAX_TIME
from stream.churn.season import SEASON
from stream.churn.signals import MAX_SIGNALS, NAMES, PER_KIND, signals_of
from stream.recency import count, count_activity
from tests.hotel import NOON, after, happened

BUYER = [
    happened("order.placed", NOON - 30 * DAY, amount=30.0),
    happened("order.placed", NOON - 20 * DAY, amount=60.0),
    happened("complaint.opened", NOON - 20 * DAY + 1),
    happened("order.placed", NOON - 10 * DAY, amount=-90.0),
]


def test_names_are_the_signals() -> None:
    """Everyone has the signals that are documented, in order, the season, and three for each kind met."""
    met = [f"{kind}:{signal}" for kind in ("order.placed", "complaint.opened") for signal in PER_KIND]

    assert tuple(signals_of(new_profile("ann"), NOON)) == (*NAMES, *SEASON)
    assert tuple(signals_of(after(BUYER), NOON)) == (*NAMES, *SEASON, *met)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("recency", log1p(10)),
        ("frequency", log1p(3)),
        ("tenure", log1p(30)),
        ("mean_amount", 0.0),
        ("rate", log1p(90 / 60)),
        ("gap_mean", log1p(10)),
        ("gap_last", log1p(10)),
        ("gap_std", 0.0),
        ("overdue", 0.0),
        ("overdue_z", 0.0),
        ("lateness", 0.0),
        ("late", 0.0),
        ("very_late", -0.9640),
        ("active_28", log1p(2 ** (-30 / 28) + 2 ** (-20 / 28) + 2 ** (-10 / 28))),
        ("last_amount", -log1p(90)),
        ("decayed_amount", -9.2497),
        ("touchpoints", log1p(4)),
        ("touched_7", log1p(2 ** (-30 / 7) + 2 * 2 ** (-20 / 7) + 2 ** (-10 / 7))),
        ("silence", log1p(10)),
        ("bad_moments", 2 ** (-20 / 30)),
        ("open_issues", 1.0),
        ("complaint.opened:count", log1p(1)),
        ("complaint.opened:decayed", log1p(2 ** (-20 / 28))),
        ("complaint.opened:closeness", log(31 / 21)),
    ],
)
def test_value(name: str, value: float) -> None:
    """Each signal says what its name promises."""
    if name == "decayed_amount":
        money = 30 * 2 ** (-30 / 90) + 60 * 2 ** (-20 / 90) - 90 * 2 ** (-10 / 90)
        value = log1p(money) if money > 0 else -log1p(-money)

    assert signals_of(after(BUYER), NOON)[name] == pytest.approx(value, abs=1e-4)


@pytest.mark.parametrize("now", [0, NOON, MAX_TIME - 1])
def test_finite_and_bounded(now: int) -> None:
    """Whatever the time and however many kinds, signals are finite, and not more than stated."""
    many = [happened(f"kind-{number}", NOON - number) for number in range(2 * MAX_KINDS)]
    signals = signals_of(after([*BUYER, *many]), now)

    assert len(signals) == MAX_SIGNALS
    assert all(map(isfinite, signals.values()))


def test_two_bad_moments_show() -> None:
    """The second bad moment doubles what the first one said."""
    once = after([happened("complaint.opened", NOON)])
    twice = after([happened("complaint.opened", NOON), happened("complaint.opened", NOON + 1)])

    assert signals_of(once, NOON + 1)["bad_moments"] == pytest.approx(1.0)
    assert signals_of(twice, NOON + 1)["bad_moments"] == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("kinds", "days", "size"), [(16, 12, 399), (16, 13, 401), (17, 12, 412), (MAX_KINDS, MAX_DAYS, 713)]
)
def test_what_signals_are_made_of_takes_400_bytes(kinds: int, days: int, size: int) -> None:
    """Of one who has bought on twelve days and met 16 kinds; a kind more takes 13, a day 2."""
    ann = new_profile("ann")
    for day in range(3 * days, 0, -3):
        for name in kinds_codec.NAMES[1 : kinds + 1]:
            count(ann, happened(name, NOON - day * DAY))
        count_activity(ann, happened("order.placed", NOON - day * day * DAY // 3, amount=19.9))
    blank = new_profile("ann")
    made_of = (
        *("first_seen", "last_seen", "touchpoints", "kinds", "decayed", "active_days", "last_active", "days"),
        *("spent", "last_amount", "gap_mean", "gap_m2", "active_decayed", "spent_decayed"),
    )
    without = msgspec.structs.replace(ann, **{name: getattr(blank, name) for name in made_of})

    assert (ann.active_days, len(ann.kinds)) == (days, kinds)
    assert len(encode(ann)) - len(encode(without)) == size
