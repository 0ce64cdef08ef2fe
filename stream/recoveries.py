"""Recoveries: which offers were made to put a bad moment right, and what became of them.

So it can be told by cause: which bad moments cost customers, and which are made up for.
"""

from __future__ import annotations

import msgspec

from schemas.profile import Profile
from schemas.recovery import MAX_RECOVERIES, Recovery

CAME_BACK = "came-back"
"""Reason code of the decision that says that a customer came back after an offer."""

OUTCOMES = ("ignored", "declined", "accepted")
"""What may become of an offer; of two the later one in this list is the truer."""


def make(profile: Profile, recovery: Recovery) -> None:
    """Remember an offer; the oldest goes when there are too many."""
    profile.recoveries = (*profile.recoveries, recovery)[-MAX_RECOVERIES:]


def answer(profile: Profile, trigger: str, outcome: str) -> Recovery | None:
    """Note what became of the offer of a trigger; the offer, if that is news of one that is remembered."""
    for place, recovery in enumerate(profile.recoveries):
        if recovery.trigger == trigger and _rank(outcome) > _rank(recovery.outcome):
            return _put(profile, place, msgspec.structs.replace(recovery, outcome=outcome))
    return None


def come_back(profile: Profile, play: str, time: int) -> list[Recovery]:
    """Note that the customer came back at a time (ms); the play's offers before it that it is news of."""
    return [
        _put(profile, place, msgspec.structs.replace(recovery, back=time))
        for place, recovery in enumerate(profile.recoveries)
        if recovery.back < 0 and recovery.time < time and recovery.play == play
    ]


def merge(profile: Profile, other: Profile) -> None:
    """Take in the offers that another profile of the same customer got."""
    if other.recoveries:
        both: dict[str, Recovery] = {}
        for recovery in (*profile.recoveries, *other.recoveries):
            known = both.get(recovery.trigger, recovery)
            both[recovery.trigger] = msgspec.structs.replace(
                recovery,
                outcome=max(known.outcome, recovery.outcome, key=_rank),
                back=_earlier(known.back, recovery.back),
            )
        profile.recoveries = tuple(sorted(both.values())[-MAX_RECOVERIES:])


def _put(profile: Profile, place: int, recovery: Recovery) -> Recovery:
    before = profile.recoveries
    profile.recoveries = (*before[:place], recovery, *before[place + 1 :])
    return recovery


def _rank(outcome: str) -> int:
    return OUTCOMES.index(outcome) if outcome in OUTCOMES else -1


def _earlier(one: int, other: int) -> int:
    return max(one, other) if min(one, other) < 0 else min(one, other)
