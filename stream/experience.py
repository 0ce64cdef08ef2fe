"""The experience ledger: a customer's good and bad moments.

86 % of customers leave after two bad experiences, so what counts is how many, how bad, and
how long ago.
"""

from __future__ import annotations

from math import exp2, isnan

from schemas.catalogue import TouchpointType
from schemas.moment import MAX_MOMENTS, Moment
from schemas.profile import Profile
from schemas.timestamp import DAY
from schemas.touchpoint import Touchpoint

HALF_LIFE = 30 * DAY
"""Half-life of a moment's weight in the score, in ms: about when a guest writes the review."""


def weight_of(touchpoint: Touchpoint, entry: TouchpointType) -> float:
    """How good (to 1) or bad (to −1) a moment is: the catalogue's weight, or the answer given.

    An answer that is missing or no number weighs nothing; one off the scale counts as its end.
    """
    if entry.rating is None:
        return entry.weight
    answer = touchpoint.data.get(entry.rating.field)
    if answer.__class__ is not int and answer.__class__ is not float:
        return 0.0
    worst, best = entry.rating.worst, entry.rating.best
    # Limited before it is reckoned with: an integer may be longer than any float.
    answer = min(max(answer, min(worst, best)), max(worst, best))
    # Rounded, so that 2.2 of 1 to 5 stars is as bad as 0.4 in the playbook, not next to it.
    return 0.0 if isnan(answer) else round(2.0 * (answer - worst) / (best - worst) - 1.0, 9)


def record(profile: Profile, touchpoint: Touchpoint, weight: float) -> None:
    """Enter a moment in the ledger, in order of time; the oldest goes when it is full."""
    moment = Moment(touchpoint.time, weight, touchpoint.type, touchpoint.id)
    moments = profile.moments
    if moments and moments[-1] > moment:
        profile.moments = tuple(sorted((*moments, moment))[-MAX_MOMENTS:])
    else:
        profile.moments = (*moments[-(MAX_MOMENTS - 1) :], moment)


def merge(profile: Profile, other: Profile) -> None:
    """Enter the moments of another profile of the same customer."""
    profile.moments = tuple(sorted((*profile.moments, *other.moments))[-MAX_MOMENTS:])


def bad_moments(profile: Profile, since: int, severity: float) -> int:
    """How many moments since a time (ms) weigh −`severity` or worse."""
    return sum(1 for moment in profile.moments if moment.time >= since and moment.weight <= -severity)


def score(profile: Profile, now: int) -> float:
    """The sum of all weights, each halved every 30 days; negative where the bad outweighs."""
    # One after another, not by sum(): newer Pythons add more exactly, and scores must not depend on which.
    total = 0.0
    for moment in profile.moments:
        age = now - moment.time
        total += moment.weight * exp2(-age / HALF_LIFE) if age > 0 else moment.weight
    return total
