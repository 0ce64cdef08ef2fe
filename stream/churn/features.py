"""Features: what a churn model sees of a customer, all from state of constant size.

`log` is log(1 + x); days are days of 86,400 s. Every feature is finite for every profile.
"""

from __future__ import annotations

from math import log, log1p, sqrt

from schemas.profile import Profile
from schemas.timestamp import DAY
from stream.experience import score
from stream.recency import HALF_LIVES

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
    """The features of a profile as at `now` (ms)."""
    active_days = profile.active_days
    recency = max(now - (profile.last_active if active_days else profile.first_seen), 0) / DAY
    idle = max(now - profile.last_seen, 0)
    week, month, quarter = profile.decayed
    gap_mean = profile.gap_mean
    gap_std = sqrt(profile.gap_m2 / (active_days - 1)) if active_days > 1 else 0.0
    return {
        "recency": log1p(recency),
        "frequency": log1p(active_days),
        "tenure": log1p(max(now - profile.first_seen, 0) / DAY),
        "mean_amount": log1p(max(profile.spent, 0.0) / active_days) if active_days else 0.0,
        "last_amount": log1p(max(profile.last_amount, 0.0)),
        "gap_mean": log1p(gap_mean),
        "gap_std": log1p(gap_std),
        "overdue": log((recency + 1.0) / (gap_mean + 1.0)) if active_days > 1 else 0.0,
        "decayed_7": _decayed(week, idle, HALF_LIVES[0]),
        "decayed_28": _decayed(month, idle, HALF_LIVES[1]),
        "decayed_90": _decayed(quarter, idle, HALF_LIVES[2]),
        "experience": score(profile, now) if profile.moments else 0.0,
        "open_issues": float(len(profile.issues)),
    }


def _decayed(value: float, idle: int, half_life: int) -> float:
    return log1p(value * 2.0 ** (-idle / half_life))
