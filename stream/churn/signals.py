"""Signals: the wider set of features, all from state of constant size, for any kind of business.

`log` is log(1 + x), and −log(1 − x) below 0; days are days of 86,400 s. Every signal is finite for every
profile, and a signal that is left out means 0: so a kind of touchpoint that a customer never met, and one
that nobody has met yet, look the same.
"""

from __future__ import annotations

from math import exp2, log, log1p, sqrt, tanh

from schemas.kinds import MAX_KINDS
from schemas.profile import Profile
from schemas.timestamp import DAY
from stream.churn.season import SEASON, season_of
from stream.recency import HALF_LIVES, KIND_HALF_LIFE, MONEY_HALF_LIFE

_DAY = float(DAY)
_WEEK, _MONTH, _QUARTER = map(float, HALF_LIVES)
_KIND = float(KIND_HALF_LIFE)
_MONEY = float(MONEY_HALF_LIFE)
BAD_HALF_LIFE = 30.0 * DAY

NAMES = (
    "recency",
    "frequency",
    "tenure",
    "mean_amount",
    "rate",
    "gap_mean",
    "gap_last",
    "gap_std",
    "overdue",
    "overdue_z",
    "lateness",
    "late",
    "very_late",
    "out_of_rhythm",
    "active_7",
    "active_28",
    "active_90",
    "trend_7_28",
    "trend_28_90",
    "last_amount",
    "decayed_amount",
    "touchpoints",
    "touched_7",
    "touched_28",
    "touched_90",
    "silence",
    "experience",
    "bad_moments",
    "open_issues",
)
"""The signals of a customer that everyone has, in order; after them come those of the season
(stream/churn/season.py), which are the time's alone:

- `recency`: log days since the latest activity, or since first seen where there was none
- `frequency`: log active days
- `tenure`: log days since first seen
- `mean_amount`: log money per active day
- `rate`: log active days per 30 days of tenure, a month of tenure added so that a newcomer has no extreme one
- `gap_mean`, `gap_last`, `gap_std`: log days between active days: mean, the latest, standard deviation
- `overdue`: log of recency over mean gap; above 0 the customer is later than usual
- `overdue_z`: days later than the mean gap, in standard deviations of the gaps and a day; within ±10
- `lateness`: `overdue` over the spread of the gaps relative to their mean; within ±6
- `late`, `very_late`: steps, from −1 to 1, where `overdue` passes 0 and 0.3: what a monthly bill looks like
- `out_of_rhythm`: the same where `lateness` passes 0
- `active_7`, `active_28`, `active_90`: log active days, halved every so many days
- `trend_7_28`, `trend_28_90`: log of the daily rate of active days over the shorter to that over the longer
- `last_amount`, `decayed_amount`: log money of the latest activity; and of all, halved every 90 days
- `touchpoints`: log touchpoints of any kind
- `touched_7`, `touched_28`, `touched_90`: log touchpoints of any kind, halved every so many days
- `silence`: log days since the latest touchpoint of any kind
- `experience`: good against bad moments, halved every 30 days
- `bad_moments`: bad moments, each by 1 whatever its weight, halved every 30 days
- `open_issues`: complaints not settled
"""

PER_KIND = ("count", "decayed", "closeness")
"""The signals of each kind of touchpoint, called `order.placed:count` and so on:

- `count`: log touchpoints
- `decayed`: log touchpoints, halved every 28 days
- `closeness`: log of tenure over days since the latest; 0 for never and for once upon the first day
"""

MAX_SIGNALS = len(NAMES) + len(SEASON) + len(PER_KIND) * (MAX_KINDS + 1)
"""Most signals of one customer: those of `MAX_KINDS` kinds and of all others together."""

Z_LIMIT = 10.0
"""Standard deviations of the gaps: later than that is simply late."""

LATENESS_LIMIT = 6.0
"""Spreads of the gaps: as `Z_LIMIT`, on the scale of logs."""


def signals_of(profile: Profile, now: int) -> dict[str, float]:
    """The signals of a profile as at `now` (ms).

    >>> from schemas.profile import new_profile
    >>> signals_of(new_profile("ann"), 0)["recency"]
    0.0
    """
    active_days = profile.active_days
    since = now - profile.first_seen
    tenure = since / _DAY if since > 0 else 0.0
    recency = tenure
    mean_amount = gap_std = gap_last = overdue = overdue_z = decayed_amount = trend_short = trend_long = 0.0
    week = month = quarter = lateness = late = very_late = 0.0
    gap_mean = profile.gap_mean
    if active_days:
        since = now - profile.last_active
        recency = since / _DAY if since > 0 else 0.0
        mean_amount = _log(profile.spent / active_days)
        if active_days > 1:
            gap_std = sqrt(profile.gap_m2 / (active_days - 1))
            overdue = log((recency + 1.0) / (gap_mean + 1.0))
            overdue_z = min(max((recency - gap_mean) / (gap_std + 1.0), -Z_LIMIT), Z_LIMIT)
            # As if one gap more had been seen that is off by as much as the mean.
            gaps = active_days - 2
            spread = (profile.gap_m2 / (gaps + 1) * gaps + gap_mean * gap_mean) / (gaps + 1)
            lateness = overdue / sqrt(spread / (gap_mean + 1.0) ** 2 + 0.01)
            lateness = min(max(lateness, -LATENESS_LIMIT), LATENESS_LIMIT)
            late, very_late = tanh(overdue / 0.1), tanh((overdue - 0.3) / 0.15)
            days = profile.days
            if len(days) > 2:
                gap_last = float(int.from_bytes(days[-2:]) - int.from_bytes(days[-4:-2]))
        # Anchored at days, and hence as old as the whole days since.
        idle = recency * _DAY
        week, month, quarter = profile.active_decayed
        week *= exp2(-idle / _WEEK)
        month *= exp2(-idle / _MONTH)
        quarter *= exp2(-idle / _QUARTER)
        trend_short = log((week / 7.0 + 0.01) / (month / 28.0 + 0.01))
        trend_long = log((month / 28.0 + 0.01) / (quarter / 90.0 + 0.01))
        decayed_amount = _log(profile.spent_decayed * exp2(-idle / _MONEY))
    touched_week, touched_month, touched_quarter = profile.decayed
    idle = float(now - profile.last_seen)
    if idle > 0.0:
        touched_week *= exp2(-idle / _WEEK)
        touched_month *= exp2(-idle / _MONTH)
        touched_quarter *= exp2(-idle / _QUARTER)
    else:
        idle = 0.0
    experience = bad = 0.0
    for moment in profile.moments:
        age = now - moment.time
        fade = exp2(-age / BAD_HALF_LIFE) if age > 0 else 1.0
        experience += moment.weight * fade
        if moment.weight < 0.0:
            bad += fade
    signals = {
        "recency": log1p(recency),
        "frequency": log1p(active_days),
        "tenure": log1p(tenure),
        "mean_amount": mean_amount,
        "rate": log1p(30.0 * active_days / (tenure + 30.0)),
        "gap_mean": log1p(gap_mean),
        "gap_last": log1p(gap_last),
        "gap_std": log1p(gap_std),
        "overdue": overdue,
        "overdue_z": overdue_z,
        "lateness": lateness,
        "late": late,
        "very_late": very_late,
        "out_of_rhythm": tanh(2.0 * lateness),
        "active_7": log1p(week),
        "active_28": log1p(month),
        "active_90": log1p(quarter),
        "trend_7_28": trend_short,
        "trend_28_90": trend_long,
        "last_amount": _log(profile.last_amount),
        "decayed_amount": decayed_amount,
        "touchpoints": log1p(profile.touchpoints),
        "touched_7": log1p(touched_week),
        "touched_28": log1p(touched_month),
        "touched_90": log1p(touched_quarter),
        "silence": log1p(idle / _DAY),
        "experience": experience,
        "bad_moments": bad,
        "open_issues": float(len(profile.issues)),
        **season_of(now),
    }
    _add_kinds(signals, profile, now, tenure)
    return signals


def _add_kinds(signals: dict[str, float], profile: Profile, now: int, tenure: float) -> None:
    for name, kind in profile.kinds.items():
        days_since = max((now - kind.last) / _DAY, 0.0)
        signals[f"{name}:count"] = log1p(kind.count)
        signals[f"{name}:decayed"] = log1p(kind.decayed * exp2(-days_since * _DAY / _KIND))
        signals[f"{name}:closeness"] = log((tenure + 1.0) / (days_since + 1.0))


def _log(amount: float) -> float:
    """Log of an amount, that may be one that was given back."""
    return log1p(amount) if amount >= 0.0 else -log1p(-amount)
