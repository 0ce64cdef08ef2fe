"""Timers: what is done because something did not happen, as part of the profile.

A play sets a timer, touchpoints call it off, and the engine fires it once it is due (see
`Engine.step` and `Engine.fire`). As it stands in the profile, it survives what the profile
survives, and it is gone in the same write that its decision comes of.
"""

from __future__ import annotations

from collections import Counter

from schemas.cloudevents import SOURCE
from schemas.profile import Profile
from schemas.timer import MAX_TIMERS, Timer
from schemas.touchpoint import Touchpoint

TIMER_DUE = "timer.due"
"""What stands for a touchpoint's type where a timer is decided on."""

CHURN = "churn"
"""The timer for whatever is due next of what is learned about a customer (stream/churn/labels.py)."""

STANDING = frozenset(("held", "live", "suppression", CHURN))
"""Timers of which each stands for many things at once, the earliest of them: none is lost to others."""


def put(profile: Profile, timer: Timer) -> None:
    """Set a timer, in place of the one with its name and key; if that is due at the same time, it stays.

    When there are too many, the name that has the most loses its earliest: a flood of issues costs
    its own oldest ones their timers, and no key its end. One that stands for many things stays.
    """
    name, key = timer.name, timer.key
    kept = []
    for other in profile.timers:
        if other.key != key or other.name != name:
            kept.append(other)
        elif other.due == timer.due:
            return
    kept.append(timer)
    kept.sort()
    if len(kept) > MAX_TIMERS:
        numbers = Counter(other.name for other in kept if other.name not in STANDING)
        most = max(numbers, key=lambda name: (numbers[name], name))
        kept.remove(next(other for other in kept if other.name == most))
    profile.timers = tuple(kept)


def cancel(profile: Profile, name: str, key: str) -> None:
    """Call a timer off; nothing where it is not set."""
    kept = [timer for timer in profile.timers if timer.name != name or timer.key != key]
    if len(kept) < len(profile.timers):
        profile.timers = tuple(kept)


def merge(profile: Profile, other: Profile) -> None:
    """Set the timers of another profile of the same customer; of two that are the same, the later one.

    Of those of churn, the earlier one: nothing that waits for it may be missed.
    """
    mine = {(timer.name, timer.key): timer for timer in profile.timers}
    for timer in other.timers:
        known = mine.get((timer.name, timer.key))
        if known is None or (timer < known if timer.name == CHURN else known < timer):
            put(profile, timer)


def take_due(profile: Profile, until: int, known: int | None = None) -> Timer | None:
    """Take the first timer that is due at or before a time (ms) out of the profile; None if none is.

    Args:
        profile: the profile, which is changed.
        until: the time.
        known: the same for the timer of churn, which may have to wait (stream/churn/outages.py).
    """
    timers = profile.timers
    for place, timer in enumerate(timers):
        if timer.due > until:
            break
        if timer.name != CHURN or known is None or timer.due <= known:
            profile.timers = timers[:place] + timers[place + 1 :]
            return timer
    return None


def next_due(profile: Profile, known: int | None = None) -> int | None:
    """When the next timer is due, in ms; None where none is set but such as waits, see `take_due`."""
    for timer in profile.timers:
        if timer.name != CHURN or known is None or timer.due <= known:
            return timer.due
    return None


def stand_in(timer: Timer, customer: str) -> Touchpoint:
    """A touchpoint that stands for a timer: from its source and id follow those of triggers and decision.

    What has set it is part of them, as the same timer may be set again after it has fired.
    """
    source = f"{SOURCE}/timers/{timer.touchpoint}"
    id_ = f"timer/{timer.name}/{timer.key}@{timer.due}"
    return Touchpoint(id_, source, TIMER_DUE, customer, timer.due, {}, correlation=timer.key)
