"""Features: what a churn model sees of a customer, all from state of constant size.

`log` is log(1 + x); days are days of 86,400 s. Every feature is finite for every profile.
"""

from __future__ import annotations

from math import log, log1p, sqrt

from schemas.profile import Profile
from schemas.timestamp import DAY
from stream.experience import score
from stream.recency import HALF_LIVES

# Floats, so that dividing a whole number of ms is one step.
_DAY = float(DAY)
_WEEK, _MONTH, _QUARTER = map(float, HALF_LIVES)

NAMES = (
    "recency",
    "frequency",
    "tenure",
    "mean_amount",
    "last_amount",
    "gap_mean",
    "gap_std",
    "overdue",
    "decayed_7",
    "decayed_28",
    "decayed_90",
    "experience",
    "open_issues",
)
"""The features' names, in order:

- `recency`: log days since the latest activity, or since first seen where there was none
- `frequency`: log active days
- `tenure`: log days since first seen
- `mean_amount`, `last_amount`: log money per active day, and of the latest one
- `gap_mean`, `gap_std`: log days between active days, mean and standard deviation
- `overdue`: log of recency over mean gap; above 0 the customer is later than usual
- `decayed_7`, `decayed_28`, `decayed_90`: log touchpoints, halved every so many days
- `experience`: good against bad moments, halved every 30 days
- `open_issues`: complaints not settled
"""


def features_of(profile: Profile, now: int) -> dict[str, float]:
    """The features of a profile as at `now` (ms), by name."""
    return dict(zip(NAMES, values_of(profile, now), strict=True))


def values_of(profile: Profile, now: int) -> tuple[float, ...]:
    """The features of a profile as at `now` (ms), in the order of `NAMES`."""
    # On every touchpoint, hence without max() and without a call for each decay.
    active_days = profile.active_days
    since = now - profile.first_seen
    recency = tenure = log1p(since / _DAY) if since > 0 else 0.0
    mean_amount = gap_std = overdue = 0.0
    gap_mean = profile.gap_mean
    if active_days:
        since = now - profile.last_active
        idle_days = since / _DAY if since > 0 else 0.0
        recency = log1p(idle_days)
        if profile.spent > 0.0:
            mean_amount = log1p(profile.spent / active_days)
        if active_days > 1:
            gap_std = log1p(sqrt(profile.gap_m2 / (active_days - 1)))
            overdue = log((idle_days + 1.0) / (gap_mean + 1.0))
    week, month, quarter = profile.decayed
    idle = profile.last_seen - now
    if idle < 0:
        week *= 2.0 ** (idle / _WEEK)
        month *= 2.0 ** (idle / _MONTH)
        quarter *= 2.0 ** (idle / _QUARTER)
    last_amount = profile.last_amount
    return (
        recency,
        log1p(active_days),
        tenure,
        mean_amount,
        log1p(last_amount) if last_amount > 0.0 else 0.0,
        log1p(gap_mean) if gap_mean else 0.0,
        gap_std,
        overdue,
        log1p(week),
        log1p(month),
        log1p(quarter),
        score(profile, now) if profile.moments else 0.0,
        float(len(profile.issues)) if profile.issues else 0.0,
    )
