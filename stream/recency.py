"""Recency, frequency and monetary value: what every touchpoint and every purchase adds up to.

All of it is by the time of what happened, whatever order it arrives in.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from itertools import pairwise
from math import exp2
from struct import pack, unpack

from schemas.kinds import MAX_KINDS, OTHER_KIND, Kind
from schemas.profile import MAX_DAYS, Profile
from schemas.timestamp import DAY
from schemas.touchpoint import Touchpoint

HALF_LIVES = (7 * DAY, 28 * DAY, 90 * DAY)
"""Half-lives of the decayed counts, in ms: a week, four weeks, a quarter."""

# Floats, so that dividing a whole number of ms is one step.
_WEEK, _MONTH, _QUARTER = map(float, HALF_LIVES)

KIND_HALF_LIFE = HALF_LIVES[1]
"""Half-life of the decayed count of each kind, in ms: that of `_MONTH`."""

MONEY_HALF_LIFE = HALF_LIVES[2]
"""Half-life of money spent, in ms."""

_HALF_LIVES_DAYS = tuple(half_life / DAY for half_life in HALF_LIVES)


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
                week * exp2(age / _WEEK) + 1.0,
                month * exp2(age / _MONTH) + 1.0,
                quarter * exp2(age / _QUARTER) + 1.0,
            )
        else:
            profile.first_seen = min(profile.first_seen, time)
            profile.decayed = (
                week + exp2(-age / _WEEK),
                month + exp2(-age / _MONTH),
                quarter + exp2(-age / _QUARTER),
            )
    profile.touchpoints += 1
    kinds = profile.kinds
    name = touchpoint.type
    if len(kinds.places) >= MAX_KINDS and name not in kinds:
        name = OTHER_KIND
    profile.kinds = kinds.counted(name, time, _MONTH)


def _met(one: Kind, other: Kind) -> Kind:
    """What two counts of a kind add up to; each decays by its own age."""
    age = one.last - other.last
    if age >= 0:
        decayed = one.decayed + other.decayed * exp2(-age / KIND_HALF_LIFE)
        return Kind(one.count + other.count, one.last, decayed)
    decayed = one.decayed * exp2(age / KIND_HALF_LIFE) + other.decayed
    return Kind(one.count + other.count, other.last, decayed)


def count_activity(profile: Profile, touchpoint: Touchpoint) -> None:
    """Count a purchase: money at once, and a further active day if the UTC day is a new one.

    A day before all that are remembered, where some were forgotten, is taken as counted.
    """
    time = touchpoint.time
    amount = touchpoint.amount or 0.0
    profile.spent += amount
    day = time // DAY
    if profile.active_days == 0:
        profile.active_days = 1
        profile.last_active = time
        profile.last_amount = profile.spent_decayed = amount
        profile.days = _packed([day])
        profile.active_decayed = (1.0, 1.0, 1.0)
        return
    if profile.active_decayed[2] == 0.0:
        # A profile from before these were kept: what the days remembered tell is most of it.
        profile.active_decayed = _decayed(days_of(profile))
    gap = day - profile.last_active // DAY
    if gap > 0:
        days = profile.days or _packed(days_of(profile))
        profile.active_days += 1
        delta = gap - profile.gap_mean
        profile.gap_mean += delta / (profile.active_days - 1)
        profile.gap_m2 += delta * (gap - profile.gap_mean)
        profile.days = days[-2 * (MAX_DAYS - 1) :] + _packed([day])
        week, month, quarter = profile.active_decayed
        profile.active_decayed = (
            week * exp2(-gap / _HALF_LIVES_DAYS[0]) + 1.0,
            month * exp2(-gap / _HALF_LIVES_DAYS[1]) + 1.0,
            quarter * exp2(-gap / _HALF_LIVES_DAYS[2]) + 1.0,
        )
    elif gap < 0:
        _insert(profile, day)
    age = profile.last_active - time
    if age <= 0:
        profile.spent_decayed = profile.spent_decayed * exp2(age / MONEY_HALF_LIFE) + amount
        profile.last_active = time
        profile.last_amount = amount
    else:
        profile.spent_decayed += amount * exp2(-age / MONEY_HALF_LIFE)


def merge(profile: Profile, other: Profile) -> None:
    """Count what another profile of the same customer has counted."""
    if other.touchpoints:
        _merge_counts(profile, other)
    if other.active_days:
        _merge_activity(profile, other)


def _merge_counts(profile: Profile, other: Profile) -> None:
    if profile.touchpoints:
        latest = max(profile.last_seen, other.last_seen)
        ages = (latest - profile.last_seen, latest - other.last_seen)
        week, month, quarter = (
            ours * exp2(-ages[0] / half_life) + theirs * exp2(-ages[1] / half_life)
            for ours, theirs, half_life in zip(profile.decayed, other.decayed, HALF_LIVES, strict=True)
        )
        profile.decayed = (week, month, quarter)
        profile.first_seen = min(profile.first_seen, other.first_seen)
        profile.last_seen = latest
    else:
        profile.decayed = other.decayed
        profile.first_seen, profile.last_seen = other.first_seen, other.last_seen
    profile.touchpoints += other.touchpoints
    kinds = profile.kinds
    for type_, kind in other.kinds.items():
        name = type_ if type_ in kinds or len(kinds) < MAX_KINDS else OTHER_KIND
        known = kinds.get(name)
        kinds = kinds.put(name, kind if known is None else _met(known, kind))
    profile.kinds = kinds


def _merge_activity(profile: Profile, other: Profile) -> None:
    profile.spent += other.spent
    latest = max(profile.last_active, other.last_active) if profile.active_days else other.last_active
    profile.spent_decayed *= exp2(-(latest - profile.last_active) / MONEY_HALF_LIFE)
    profile.spent_decayed += other.spent_decayed * exp2(-(latest - other.last_active) / MONEY_HALF_LIFE)
    # Of two at the same time the larger amount, so that it doesn't matter which profile is the other.
    if (other.last_active, other.last_amount) > (profile.last_active, profile.last_amount) or (
        profile.active_days == 0
    ):
        last = other.last_active, other.last_amount
    else:
        last = profile.last_active, profile.last_amount
    ours, theirs = days_of(profile), days_of(other)
    days = sorted({*ours, *theirs})
    forgotten = profile.active_days - len(ours) + other.active_days - len(theirs)
    if forgotten:
        # What is not known day by day is taken as if no day were in both, and the gaps as two samples of one.
        ours_n, theirs_n = max(profile.active_days - 1, 0), max(other.active_days - 1, 0)
        both = max(ours_n + theirs_n, 1)
        delta = other.gap_mean - profile.gap_mean
        profile.gap_mean += delta * theirs_n / both
        profile.gap_m2 += other.gap_m2 + delta * delta * ours_n * theirs_n / both
    else:
        profile.gap_mean, profile.gap_m2 = _gaps(days)
    profile.active_decayed = _merged_decays(profile, other, ours, theirs) if forgotten else _decayed(days)
    profile.active_days = forgotten + len(days)
    profile.days = _packed(days[-MAX_DAYS:])
    profile.last_active, profile.last_amount = last


def _insert(profile: Profile, day: int) -> None:
    """Count an active day before the latest one, unless it is counted."""
    days = days_of(profile)
    all_known = profile.active_days == len(days)
    if day in days or (day < days[0] and not all_known):
        return
    week, month, quarter = profile.active_decayed
    one = _decayed([day], days[-1])
    profile.active_decayed = (week + one[0], month + one[1], quarter + one[2])
    insort(days, day)
    profile.active_days += 1
    if all_known:
        profile.gap_mean, profile.gap_m2 = _gaps(days)
    else:
        _split(profile, days, days.index(day))
    profile.days = _packed(days[-MAX_DAYS:])


def _split(profile: Profile, days: Sequence[int], at: int) -> None:
    """Set the mean and squares of the gaps, one of which the day at a place parts in two."""
    before, after = days[at] - days[at - 1], days[at + 1] - days[at]
    gaps = profile.active_days - 1
    mean = profile.gap_mean * (gaps - 1) / gaps
    squares = profile.gap_m2 + (gaps - 1) * profile.gap_mean**2 + before**2 + after**2 - (before + after) ** 2
    profile.gap_mean, profile.gap_m2 = mean, max(squares - gaps * mean**2, 0.0)


def _gaps(days: Sequence[int]) -> tuple[float, float]:
    """Mean and sum of squared deviations of the days between days, as if counted one after another."""
    mean = squares = 0.0
    for number, (one, next_) in enumerate(pairwise(days), start=1):
        delta = next_ - one - mean
        mean += delta / number
        squares += delta * (next_ - one - mean)
    return mean, squares


def _decayed(days: Sequence[int], at: int | None = None) -> tuple[float, float, float]:
    """Days in order, each halved every 7, 28 and 90 days, as at a day; by default the latest of them."""
    if not days:
        return (0.0, 0.0, 0.0)
    if at is None:
        at = days[-1]
    week = month = quarter = 0.0
    for day in days:
        age = at - day
        week += exp2(-age / _HALF_LIVES_DAYS[0])
        month += exp2(-age / _HALF_LIVES_DAYS[1])
        quarter += exp2(-age / _HALF_LIVES_DAYS[2])
    return week, month, quarter


def _merged_decays(
    profile: Profile, other: Profile, ours: Sequence[int], theirs: Sequence[int]
) -> tuple[float, float, float]:
    """The decayed active days of two, a day that both are known to have counted once."""
    at = max(*ours[-1:], *theirs[-1:], 0)
    both = _decayed(sorted({*ours} & {*theirs}), at)
    week, month, quarter = (
        mine * exp2(-(at - ours[-1] if ours else 0) / half_life)
        + its * exp2(-(at - theirs[-1] if theirs else 0) / half_life)
        - twice
        for mine, its, twice, half_life in zip(
            profile.active_decayed, other.active_decayed, both, _HALF_LIVES_DAYS, strict=True
        )
    )
    return week, month, quarter


def days_of(profile: Profile) -> list[int]:
    """The active days that are remembered; of a profile from before they were, the latest."""
    if not profile.days:
        return [profile.last_active // DAY] if profile.active_days else []
    return list(unpack(f">{len(profile.days) // 2}H", profile.days))


def _packed(days: Sequence[int]) -> bytes:
    return pack(f">{len(days)}H", *days)
