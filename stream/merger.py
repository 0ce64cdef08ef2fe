"""Merger: two profiles of one customer become one."""

from __future__ import annotations

from schemas.presence import MAX_PRESENCES
from schemas.profile import Profile
from stream import (
    accounts,
    begun,
    duplicates,
    experience,
    issues,
    items,
    journey,
    languages,
    permissions,
    preferences,
    recency,
    recoveries,
    referrals,
    residence,
    stays,
    timers,
)
from stream.arbitration import budget, holding, lifecycle
from stream.churn import labels
from stream.plays import absence, participation, reentry, sequence, suppression, wow


def merge(profile: Profile, other: Profile) -> None:
    """Take another profile of the same customer in: the same as if all of it had happened here.

    What is one touchpoint after another by nature is joined on the safe side: a play fired when it
    fired last, and a risk that was answered is answered.

    Args:
        profile: what is changed.
        other: what is taken in.
    """
    recency.merge(profile, other)
    labels.merge(profile, other)
    journey.merge(profile, other)
    experience.merge(profile, other)
    issues.merge(profile, other)
    permissions.merge(profile, other)
    stays.merge(profile, other)
    preferences.merge(profile, other)
    duplicates.merge(profile, other)
    timers.merge(profile, other)
    reentry.merge(profile, other)
    sequence.merge(profile, other)
    absence.merge(profile, other)
    residence.merge(profile, other)
    lifecycle.merge(profile, other)
    holding.merge(profile, other)
    budget.merge(profile, other)
    suppression.merge(profile, other)
    fired = dict(profile.fired)
    for play, at in other.fired.items():
        fired[play] = max(at, fired.get(play, at))
    profile.fired = fired
    wow.merge(profile, other)
    participation.merge(profile, other)
    begun.merge(profile, other)
    items.merge(profile, other)
    recoveries.merge(profile, other)
    languages.merge(profile, other)
    accounts.merge(profile, other)
    referrals.merge(profile, other)
    profile.at_risk = profile.at_risk or other.at_risk
    presences = {each.property: each for each in profile.presences}
    for seen in other.presences:
        presences[seen.property] = max(seen, presences.get(seen.property, seen))
    profile.presences = tuple(sorted(presences.values())[-MAX_PRESENCES:])
