"""Room key: on the phone when the guest arrives, gone when the stay ends.

Safe by construction: every gate must hold, all that don't are named, and what is not known
counts as not holding.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

import msgspec

from schemas.duration import millis_of
from schemas.families.room_key import RoomKey, RoomKeyPlay
from schemas.playbook import Playbook
from schemas.profile import Booking, Key, Profile, Timer
from schemas.timestamp import DAY, to_datetime, to_millis
from stream import permissions, stays, timers
from stream.plays.context import LATE, Context

FAMILY = "room-key"

ENDS = ("booking.cancelled", "stay.checked-out")
"""Effects that end a stay."""

CHANGES = ("booking.confirmed",)
"""Effects by which the day of departure may become another."""

PERMITS = ("device.bound", "consent.withdrawn")
"""Effects by which a guest may lose what a live key was given for."""

LAST_DAY = date(2099, 12, 31)
"""Departures after it count as on it: no touchpoint is later, and the calendar itself ends in 9999."""


class RoomKeyRule:
    """Decides on arrivals, on the ends of stays, and where a permission ends while a key is live.

    A live key has a timer for the end of the day of departure, for guests who leave without a word.

    The gates, in order: `booking` (a confirmed booking of this guest), `property` (it is for
    this hotel), `day` (today is between arrival and departure, in the hotel's time zone),
    `device` (the device that arrived is the one bound), `consent` (to the use of location),
    `accuracy` (the location is good enough), `live-key` (no key is out already).
    """

    def __init__(self, play: RoomKeyPlay, playbook: Playbook) -> None:
        self.play = play
        # Not the play's name, as a playbook has one play of this family: renamed, it still takes keys away.
        self.timer = FAMILY
        effects = {type_: entry.effect for type_, entry in playbook.catalogue.items()}
        others = (type_ for type_, effect in effects.items() if effect in PERMITS or effect in CHANGES)
        self.types = (*play.touchpoints, *play.revoked_by, *others)
        self._arrivals = frozenset(play.touchpoints)
        self._revoked_by = frozenset(play.revoked_by)
        self._ends = frozenset(type_ for type_ in play.revoked_by if effects.get(type_) in ENDS)
        self._zones: dict[str, tzinfo] = {
            id_: ZoneInfo(place.zone) for id_, place in playbook.properties.items()
        }
        self._accuracy = play.accuracy_m
        self._consent = play.purpose
        self._valid_for = millis_of(play.valid_for)

    def decide(self, context: Context) -> None:
        """Revoke each live key that must not open any more; on an arrival, issue or hold one."""
        for booking in context.profile.bookings:
            if booking.key is None:
                continue
            if self._has_ended(context, booking, booking.key):
                self._revoke(context, booking, booking.key)
            else:
                self._time_end(context, booking)
        if context.touchpoint.type in self._arrivals:
            self._issue(context)

    def _issue(self, context: Context) -> None:
        booking, device = self._booking(context), context.profile.device
        failed = self._failed_gates(context, booking)
        if failed or booking is None or device is None:
            context.hold(self.play, failed[0], failed)
            return
        if context.late:
            context.hold(self.play, LATE)
            return
        content = RoomKey("issue", booking.id, booking.property, device, booking.departure, booking.room)

        def note(profile: Profile, trigger: str) -> None:
            stays.put(profile, msgspec.structs.replace(booking, key=Key(trigger, device)))
            self._time_end(context, booking)

        context.propose(self.play, content, self._valid_for, booking.id, on_fired=note)

    def expire(self, context: Context, key: str) -> None:
        """Revoke the key of a booking whose last day is over."""
        booking = stays.find(context.profile, key)
        if booking is None or booking.key is None:
            return
        if self._end_of(booking) > context.now:
            # The playbook has moved the hotel to another time zone since the timer was set.
            self._time_end(context, booking)
        else:
            self._revoke(context, booking, booking.key)

    def _time_end(self, context: Context, booking: Booking) -> None:
        due = max(self._end_of(booking), context.now)
        timers.put(context.profile, Timer(due, self.timer, booking.id, context.touchpoint.id))

    def _has_ended(self, context: Context, booking: Booking, key: Key) -> bool:
        """Whether a live key lost its device or its consent, or the touchpoint ends its booking."""
        profile, touchpoint = context.profile, context.touchpoint
        if key.device != profile.device or not permissions.agreed(profile, self._consent):
            return True
        if touchpoint.type not in self._revoked_by or touchpoint.data.get("booking") != booking.id:
            return False
        # An end that is older than the booking as it stands ended nothing.
        return touchpoint.type not in self._ends or booking.status in stays.OVER

    def _revoke(self, context: Context, booking: Booking, key: Key) -> None:
        # A key is taken away however late we hear of it: an old key that opens is worse than a late word.
        content = RoomKey(
            "revoke",
            booking.id,
            booking.property,
            key.device,
            booking.departure,
            booking.room,
            key.trigger,
        )
        # A day more than the key might open: a subscriber that was down has to take it away all the same.
        left = max(self._end_of(booking) - context.now, 0)
        valid_for = max(left + DAY, self._valid_for)
        if context.is_stale(valid_for):
            # Nobody was there to fire the timer in time: the key must go all the same.
            valid_for += context.clock - context.now
        # No step holds it back, and the next arrival must not find the key that it takes away.
        stays.put(context.profile, msgspec.structs.replace(booking, key=None))
        timers.cancel(context.profile, self.timer, booking.id)
        context.propose(self.play, content, valid_for, booking.id, protects=True, ends=True)

    def _end_of(self, booking: Booking) -> int:
        """When the departure day ends at the hotel, in ms; in UTC where the hotel is not known."""
        next_day = min(booking.departure, LAST_DAY) + timedelta(days=1)
        return to_millis(datetime.combine(next_day, time.min, self._zones.get(booking.property, UTC)))

    def _booking(self, context: Context) -> Booking | None:
        """The booking that an arrival is about: the one it names, else the best of this hotel's."""
        data = context.touchpoint.data
        bookings = [b for b in context.profile.bookings if b.status in ("confirmed", "in-house")]
        if (named := data.get("booking")) is not None:
            return next((b for b in bookings if b.id == named), None)
        here = [b for b in bookings if b.property == data.get("property")]
        today = [b for b in here if self._is_today(b, context.now)]
        return next(iter(today or here or bookings), None)

    def _is_today(self, booking: Booking, now: int) -> bool:
        zone = self._zones.get(booking.property)
        if zone is None:
            return False
        today: date = to_datetime(now).astimezone(zone).date()
        return booking.arrival <= today <= booking.departure

    def _failed_gates(self, context: Context, booking: Booking | None) -> tuple[str, ...]:
        data, profile = context.touchpoint.data, context.profile
        accuracy = data.get("accuracy_m")
        if accuracy.__class__ is not float and accuracy.__class__ is not int:
            accuracy = -1
        gates = (
            ("booking", booking is not None),
            ("property", booking is not None and booking.property == data.get("property")),
            ("day", booking is not None and self._is_today(booking, context.now)),
            ("device", profile.device is not None and profile.device == data.get("device")),
            ("consent", permissions.agreed(profile, self._consent)),
            ("accuracy", 0 <= accuracy <= self._accuracy),
            ("live-key", booking is None or booking.key is None),
        )
        return tuple(name for name, holds in gates if not holds)
