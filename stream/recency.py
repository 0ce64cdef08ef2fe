"""Recency, frequency and monetary value: what every touchpoint and every purchase adds up to."""

from __future__ import annotations

from math import exp2

from schemas.profile import MAX_KINDS, OTHER_KIND, Kind, Profile
from schemas.timestamp import DAY
from schemas.touchpoint import Touchpoint

HALF_LIVES = (7 * DAY, 28 * DAY, 90 * DAY)
"""Half-lives of the decayed counts, in ms: a week, four weeks, a quarter."""


def count(profile: Profile, touchpoint: Touchpoint) -> None:
    """Count a touchpoint: first and last time, kind, and the decayed counts.

    A late touchpoint decays by its own age, so the order of arrival does not matter.
    """
    time = touchpoint.time
    if profile.touchpoints == 0:
        profile.first_seen = profile.last_seen = time
        profile.decayed = (1.0, 1.0, 1.0)
    else:
        week, month, quarter = profile.decayed
        age = profile.last_seen - time
        if age <= 0:
            profile.last_seen = time
            profile.decayed = (
                week * exp2(age / HALF_LIVES[0]) + 1.0,
                month * exp2(age / HALF_LIVES[1]) + 1.0,
                quarter * exp2(age / HALF_LIVES[2]) + 1.0,
            )
        else:
            profile.first_seen = min(profile.first_seen, time)
            profile.decayed = (
                week + exp2(-age / HALF_LIVES[0]),
                month + exp2(-age / HALF_LIVES[1]),
                quarter + exp2(-age / HALF_LIVES[2]),
            )
    profile.touchpoints += 1
    kinds = profile.kinds
    kind = kinds.get(touchpoint.type)
    name = touchpoint.type
    if kind is None and len(kinds) >= MAX_KINDS:
        name = OTHER_KIND
        kind = kinds.get(name)
    profile.kinds = {
        **kinds,
        name: Kind(1, time) if kind is None else Kind(kind.count + 1, max(kind.last, time)),
    }


def count_activity(profile: Profile, touchpoint: Touchpoint) -> None:
    """Count a purchase: money at once, and a further active day if the UTC day is a new one."""
    time = touchpoint.time
    amount = touchpoint.amount or 0.0
    profile.spent += amount
    if profile.active_days == 0:
        profile.active_days = 1
        profile.last_active = time
        profile.last_amount = amount
        return
    gap = time // DAY - profile.last_active // DAY
    if gap > 0:
        profile.active_days += 1
        delta = gap - profile.gap_mean
        profile.gap_mean += delta / (profile.active_days - 1)
        profile.gap_m2 += delta * (gap - profile.gap_mean)
    if time >= profile.last_active:
        profile.last_active = time
        profile.last_amount = amount
