"""Absence: what should have happened by a time, and has not. The wait is a timer of the profile."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, tzinfo

from schemas.duration import millis_of
from schemas.families.entry import Absence, EntryPlay
from schemas.profile import MAX_ENDED, Profile
from schemas.timer import Timer
from schemas.timestamp import to_millis
from schemas.touchpoint import Touchpoint
from stream import stays, timers
from stream.plays.reentry import latest, name_of

LAST_DAY = date(2099, 12, 31)
"""Days after it count as it: no touchpoint is later, and the calendar itself ends in 9999."""


def timer_of(play: str) -> str:
    """The name of a play's waits among the timers."""
    return f"absence:{play}"


class Wait:
    """The wait of a play.

    What ended it decides by when it happened: a touchpoint that is told late calls the wait off as long as it
    has not fired, and one that is told before its beginning lets no wait begin.

    Args:
        play: the play.
        absence: what must not happen.
        zones: time zones of the hotels.
    """

    def __init__(self, play: EntryPlay, absence: Absence, zones: Mapping[str, tzinfo]) -> None:
        self.timer = timer_of(play.play)
        self._play = play.play
        self._begins = frozenset(absence.after)
        self._ends = frozenset(absence.unless)
        self._over = self._ends.union(play.cancelled_by)
        self._has_keys = play.by is not None
        self._within = None if absence.within is None else millis_of(absence.within)
        self._minutes = _minutes_of(absence.at) if absence.at is not None else 0
        self._day = absence.day
        self._zones = zones

    def begins_with(self, type_: str) -> bool:
        """Whether a type of touchpoint begins the wait."""
        return type_ in self._begins

    def ends_with(self, type_: str) -> bool:
        """Whether a type of touchpoint ends it."""
        return type_ in self._ends

    def begin(self, profile: Profile, touchpoint: Touchpoint, key: str, now: int) -> None:
        """Set the timer, unless what ends the wait has happened since."""
        if self.has_ended(profile, key, touchpoint.time):
            return
        due = self._due(profile, touchpoint, key)
        if due is None or (self._within is None and due <= now):
            # The booking is not known, or its evening was over before it was made.
            timers.cancel(profile, self.timer, key)
            return
        if self._within is not None:
            # Told out of order, an earlier beginning makes no wait shorter; and nothing is due in the past.
            set_ = (t.due for t in profile.timers if t.name == self.timer and t.key == key)
            due = max(due, now, next(set_, 0))
        timers.put(profile, Timer(due, self.timer, key, touchpoint.id))

    def end(self, profile: Profile, touchpoint: Touchpoint, key: str) -> None:
        """Call the wait off, if it began before and was not over by then."""
        happened = touchpoint.time
        if self._has_keys:
            self._note_end(profile, key, happened)
        timer = next((t for t in profile.timers if t.name == self.timer and t.key == key), None)
        if timer is not None and (self._within is None or happened >= timer.due - self._within):
            timers.cancel(profile, self.timer, key)

    def call_off(self, profile: Profile, key: str | None, happened: int) -> bool:
        """Call off the wait with a key, or any for None, that began before a time (ms); whether one did."""
        if self._has_keys and key is not None and self._within is not None:
            self._note_end(profile, key, happened)
        kept = tuple(
            timer
            for timer in profile.timers
            if timer.name != self.timer
            or (key is not None and timer.key != key)
            or happened < self._began(profile, timer)
        )
        had = len(kept) < len(profile.timers)
        if had:
            profile.timers = kept
        return had

    def _began(self, profile: Profile, timer: Timer) -> int:
        """When the wait began; for a day of a booking, since when that stands as it is."""
        if self._within is not None:
            return timer.due - self._within
        booking = stays.find(profile, timer.key)
        return -1 if booking is None else booking.changed

    def _note_end(self, profile: Profile, key: str, happened: int) -> None:
        name = name_of(self._play, key)
        ended = {**profile.ended, name: max(happened, profile.ended.get(name, happened))}
        profile.ended = latest(ended, MAX_ENDED)

    def is_over(self, profile: Profile, key: str, touchpoint: Touchpoint) -> bool:
        """Whether nothing has ended the wait whose timer is due; one that is due later now is set anew.

        Two profiles that are one customer's may have come together meanwhile, and a booking have changed.
        """
        now = touchpoint.time
        if self._within is not None:
            return not self.has_ended(profile, key, now - self._within)
        due = self._due(profile, touchpoint, key)
        if due is None or self.has_ended(profile, key, now):
            return False
        if due > now:
            timers.put(profile, Timer(due, self.timer, key, touchpoint.id))
        return due <= now

    def has_ended(self, profile: Profile, key: str, began: int) -> bool:
        """Whether what ends the wait has happened since it began; for a day of a booking, whether at all."""
        if self._has_keys:
            ended = profile.ended.get(name_of(self._play, key), -1)
            return ended >= (0 if self._within is None else began)
        return any(
            (kind := profile.kinds.get(type_)) is not None and kind.last >= began for type_ in self._over
        )

    def _due(self, profile: Profile, touchpoint: Touchpoint, key: str) -> int | None:
        if self._within is not None:
            return touchpoint.time + self._within
        booking = stays.find(profile, key)
        if booking is None or booking.status in stays.OVER:
            return None
        day = min(booking.arrival if self._day == "arrival" else booking.departure, LAST_DAY)
        midnight = datetime.combine(day, time.min)
        by = midnight.replace(hour=self._minutes // 60, minute=self._minutes % 60)
        return to_millis(by.replace(tzinfo=self._zones.get(booking.property, UTC)))


def _minutes_of(at: str | int) -> int:
    if isinstance(at, int):
        return at
    hours, minutes = at.split(":")
    return int(hours) * 60 + int(minutes)


def merge(profile: Profile, other: Profile) -> None:
    """Take in what ended waits of another profile of the same customer."""
    if not other.ended:
        return
    ended = dict(profile.ended)
    for name, at in other.ended.items():
        ended[name] = max(at, ended.get(name, at))
    profile.ended = latest(dict(sorted(ended.items())), MAX_ENDED)
