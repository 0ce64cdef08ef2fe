"""Drivers: what makes a customer's churn risk what it is, in words that a CX person reads.

Signals that say much the same of a customer, such as how long ago and how overdue, share what they say in the
model, often with opposite signs: they are told as one, by the sum of their contributions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from schemas.families.retention_offer import MAX_DRIVERS, Driver
from schemas.kinds import OTHER_KIND
from schemas.profile import Profile
from schemas.timestamp import DAY, to_datetime
from stream import experience
from stream.churn.season import ANGLES
from stream.churn.signals import PER_KIND
from stream.churn.value import Value, history_of
from stream.recency import days_of

LEAST = 0.05
"""Log odds below which something is not worth a word: a hundredth of the risk where it is even."""

TOGETHER: dict[str, tuple[str, ...]] = {
    "recency": ("overdue", "overdue_z", "lateness", "late", "very_late", "out_of_rhythm"),
    "bgnbd": ("bgnbd_lost",),
    "frequency": ("rate",),
    "gap_mean": ("gap_last", "gap_std"),
    "active_90": ("active_7", "active_28", "trend_7_28", "trend_28_90"),
    "tenure": (),
    "mean_amount": ("last_amount", "decayed_amount"),
    "touchpoints": (
        "touched_7",
        "touched_28",
        "touched_90",
        "decayed_7",
        "decayed_28",
        "decayed_90",
    ),
    "silence": (),
    "experience": ("bad_moments",),
    "open_issues": (),
    "season": ANGLES,
}
"""By the feature that they are called by, the features that are told together."""

_CALLED = {name: called for called, others in TOGETHER.items() for name in (called, *others)}

UNTOLD = "calibration"
"""What a model adds that is about its risks and not about the customer."""


def grouped(contributions: Mapping[str, float]) -> dict[str, float]:
    """Contributions of what is told together, by the name that it is called by; the sum stays.

    >>> grouped({"recency": 1.5, "overdue": -0.5, "item.bought:count": 0.25, "item.bought:decayed": 0.5})
    {'recency': 1.0, 'item.bought': 0.75}
    """
    parts: dict[str, float] = {}
    for name, contribution in contributions.items():
        called = _CALLED.get(name)
        if called is None:
            kind, _, end = name.rpartition(":")
            called = kind if end in PER_KIND and kind else name
        parts[called] = parts.get(called, 0.0) + contribution
    return parts


Told = tuple[float, str]
"""The figure of a driver, and the words."""


class Asked(NamedTuple):
    """Of whom something is told.

    Attributes:
        profile: the customer's.
        now: as at which time, in ms.
        value: how often customers buy.
        currency: of the customer's money.
    """

    profile: Profile
    now: int
    value: Value
    currency: str


def drivers_of(contributions: Mapping[str, float], asked: Asked) -> tuple[Driver, ...]:
    """The most telling of what contributes to a risk, at most `MAX_DRIVERS`.

    Args:
        contributions: what each feature adds to the log odds.
        asked: of whom.
    """
    parts = grouped(contributions)
    parts.pop(UNTOLD, None)
    told = sorted(parts.items(), key=lambda part: (-abs(part[1]), part[0]))[:MAX_DRIVERS]
    drivers = []
    for name, contribution in told:
        if abs(contribution) < LEAST:
            break
        teller = _TELLERS.get(name)
        figure, words = _kind(asked, name) if teller is None else teller(asked)
        drivers.append(Driver(name, round(float(figure), 3), round(contribution, 3), words))
    return tuple(drivers)


def _recency(asked: Asked) -> Told:
    profile = asked.profile
    if not profile.active_days:
        days = _since(profile.first_seen, asked)
        return days, f"has not bought yet, first seen {_ago(days)}"
    days = _since(profile.last_active, asked)
    if profile.active_days == 1:
        return days, f"bought on one day alone, {_ago(days)}"
    if profile.active_days == 2:
        return days, f"has not bought for {_days(days)}, after two times {_days(profile.gap_mean)} apart"
    return days, f"has not bought for {_days(days)}, usually buys every {_days(profile.gap_mean)}"


def _bgnbd(asked: Asked) -> Told:
    value = asked.value
    repeats, latest, age = history_of(asked.profile, asked.now)
    if repeats < 0.0:
        return 0.0, "has not bought yet"
    silent = value.bgnbd.silent(repeats, latest, age, value.horizon_days)
    within = _days(value.horizon_days)
    return silent, f"of those who bought as often and as lately, {silent:.0%} don't within {within}"


def _frequency(asked: Asked) -> Told:
    bought = asked.profile.active_days
    return bought, f"bought on {_days(bought)} within {_days(_since(asked.profile.first_seen, asked))}"


def _gaps(asked: Asked) -> Told:
    profile = asked.profile
    if profile.active_days < 3:
        return profile.gap_mean, "has no rhythm of buying yet"
    days = days_of(profile)
    last = f", the last time after {_days(days[-1] - days[-2])}" if len(days) > 2 else ""
    return profile.gap_mean, f"usually buys every {_days(profile.gap_mean)}{last}"


def _active(asked: Asked) -> Told:
    today, days = asked.now // DAY, days_of(asked.profile)
    quarter, month = (sum(today - back < day <= today for day in days) for back in (90, 28))
    return quarter, f"bought on {_days(month)} of the last 28, on {_days(quarter)} of the last 90"


def _tenure(asked: Asked) -> Told:
    days = _since(asked.profile.first_seen, asked)
    return days, f"first seen {_ago(days)}"


def _money(asked: Asked) -> Told:
    profile = asked.profile
    if not profile.active_days:
        return 0.0, "has not spent anything yet"
    mean, last = profile.spent / profile.active_days, profile.last_amount
    return mean, f"spends {mean:,.2f} {asked.currency} on a day with a purchase, lately {last:,.2f}"


def _touchpoints(asked: Asked) -> Told:
    count, last = asked.profile.touchpoints, _ago(_since(asked.profile.last_seen, asked))
    return count, f"{count:,} touchpoint{'s' * (count != 1)} so far, the latest {last}"


def _silence(asked: Asked) -> Told:
    days = _since(asked.profile.last_seen, asked)
    return days, f"last heard of {_ago(days)}"


def _experience(asked: Asked) -> Told:
    weights = [moment.weight for moment in asked.profile.moments]
    good, bad = sum(weight > 0.0 for weight in weights), sum(weight < 0.0 for weight in weights)
    words = f"{good} good and {bad} bad moments of late" if weights else "no good or bad moments of late"
    return experience.score(asked.profile, asked.now), words


def _issues(asked: Asked) -> Told:
    count = len(asked.profile.issues)
    return count, f"{count} open issue{'s' * (count > 1)}" if count else "no open issue"


def _season(asked: Asked) -> Told:
    today = to_datetime(asked.now)
    return today.timetuple().tm_yday, f"the time of year, {today.day} {today:%B}"


def _kind(asked: Asked, name: str) -> Told:
    called = "other touchpoints" if name == OTHER_KIND else name
    kind = asked.profile.kinds.get(name)
    if kind is None:
        return 0.0, f"{called}: never"
    times = f"{kind.count:,} time{'s' * (kind.count != 1)}"
    return kind.count, f"{called}: {times}, the latest {_ago(_since(kind.last, asked))}"


_TELLERS: dict[str, Callable[[Asked], Told]] = {
    "recency": _recency,
    "bgnbd": _bgnbd,
    "frequency": _frequency,
    "gap_mean": _gaps,
    "active_90": _active,
    "tenure": _tenure,
    "mean_amount": _money,
    "touchpoints": _touchpoints,
    "silence": _silence,
    "experience": _experience,
    "open_issues": _issues,
    "season": _season,
}


def _since(then: int, asked: Asked) -> float:
    return max(asked.now - then, 0) / DAY


def _days(days: float) -> str:
    whole = round(days)
    return f"{whole:,} day{'s' * (whole != 1)}"


def _ago(days: float) -> str:
    return f"{_days(days)} ago" if days >= 1.0 else "today"
