"""Quiet hours: what need not be now waits until the customer is awake."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import get_args

from schemas.calendar import Calendar, Weekday
from schemas.duration import millis_of
from schemas.playbook import Playbook
from schemas.timestamp import MINUTE, to_datetime, to_millis
from schemas.zone import zone
from stream.arbitration.holdout import share_of
from stream.plays.context import EXPIRED, Context, Deferral, Proposal, Refusal
from stream.residence import Residence

REASON = "quiet-hours"

AWAY = MINUTE
"""How much later than due a timer may fire, in ms, before it is asked whether it is quiet *now*: one that
was due a second before the night begins is not late, one that waited for a worker all day is."""

_DAY = timedelta(days=1)
_WEEKDAYS = get_args(Weekday)


class Hours:
    """The hours of one calendar.

    Args:
        calendar: the calendar.

    Attributes:
        spread: over how long what was held goes out, in ms.
    """

    def __init__(self, calendar: Calendar) -> None:
        self._from = time.fromisoformat(calendar.from_)
        self._to = time.fromisoformat(calendar.to)
        self._over_night = _DAY if self._to <= self._from else timedelta()
        self._days = frozenset(_WEEKDAYS.index(day) for day in calendar.days)
        self.spread = millis_of(calendar.spread) if calendar.spread else 0

    def end(self, now: int, place: str) -> int | None:
        """When it is quiet no more, in ms, in a time zone; None if it is not quiet at `now` (ms)."""
        today = to_datetime(now).astimezone(zone(place)).date()
        for day in (today - _DAY, today):
            if day.weekday() in self._days:
                # A clock that is turned shows some times twice and some never: of two moments that may be
                # meant it begins at the first and ends at the second.
                begins = min(_moments(day, self._from, place))
                ends = max(_moments(day + self._over_night, self._to, place))
                if begins <= now < ends:
                    return ends
        return None


class QuietHours:
    """The calendars of a playbook.

    Args:
        playbook: whose.
    """

    def __init__(self, playbook: Playbook) -> None:
        hours = {name: Hours(calendar) for name, calendar in playbook.calendars.items()}
        self._of = {
            play.play: (play.quiet_hours, hours[play.quiet_hours])
            for play in playbook.plays
            if play.quiet_hours is not None
        }
        self._zone_of = Residence(playbook).zone_of

    def check(self, context: Context, proposal: Proposal) -> Deferral | Refusal | None:
        """Let what comes in quiet hours wait until they are over; hold what would have run out by then."""
        known = self._of.get(proposal.play.play)
        if known is None:
            return None
        name, hours = known
        profile, now = context.profile, context.now
        moment = context.clock if context.clock - now > AWAY else now
        end = hours.end(moment, self._zone_of(profile))
        if end is None:
            return None
        expires = now + proposal.valid_for
        if end >= expires:
            return Refusal(EXPIRED, (REASON,))
        # By customer and not by trigger: what one customer was held competes at one moment.
        after = int(share_of(profile.customer, f"spread={name}") * hours.spread)
        return Deferral(REASON, min(end + after, expires - 1))


def _moments(day: date, at: time, place: str) -> tuple[int, int]:
    """What a time of day may mean, in ms: one moment but where the clock is turned."""
    local = datetime.combine(day, at, zone(place))
    return to_millis(local), to_millis(local.replace(fold=1))
