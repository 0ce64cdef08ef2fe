"""Room key: on the phone when the guest arrives, gone when the stay ends.

Safe by construction: every gate must hold, all that don't are named, and what is not known
counts as not holding.
"""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import msgspec

from schemas.decision import Candidate
from schemas.playbook import Playbook, RoomKeyPlay, millis_of
from schemas.profile import Booking
from schemas.timestamp import to_datetime
from schemas.trigger import RoomKey
from stream import stays
from stream.plays.context import LATE, Context

FAMILY = "room-key"


class RoomKeyRule:
    """Decides on arrivals and on the ends of stays.

    The gates, in order: `booking` (a confirmed booking of this guest), `property` (it is for
    this hotel), `day` (today is between arrival and departure, in the hotel's time zone),
    `device` (the device that arrived is the one bound), `consent` (to the use of location),
    `accuracy` (the location is good enough), `live-key` (no key is out already).
    """

    def __init__(self, play: RoomKeyPlay, playbook: Playbook) -> None:
        self.play = play.play
        self.types = (*play.touchpoints, *play.revoked_by)
        self._arrivals = frozenset(play.touchpoints)
        self._zones = {id_: ZoneInfo(place.zone) for id_, place in playbook.properties.items()}
        self._accuracy = play.accuracy_m
        self._consent = play.consent
        self._valid_for = millis_of(play.valid_for)

    def decide(self, context: Context) -> Candidate | None:
        """The candidate for this touchpoint, or None where it is none of ours."""
        if context.touchpoint.type in self._arrivals:
            return self._issue(context)
        return self._revoke(context)

    def _issue(self, context: Context) -> Candidate:
        booking = self._booking(context)
        failed = self._failed_gates(context, booking)
        if failed or booking is None:
            return Candidate(self.play, FAMILY, failed[0], failed)
        if context.late:
            return Candidate(self.play, FAMILY, LATE)
        content = RoomKey(
            "issue", booking.id, booking.property, context.profile.device, booking.departure, booking.room
        )
        candidate = context.fire(self.play, FAMILY, content, self._valid_for, booking.id)
        stays.put(context.profile, msgspec.structs.replace(booking, key=candidate.trigger))
        return candidate

    def _revoke(self, context: Context) -> Candidate | None:
        named = context.touchpoint.data.get("booking")
        booking = stays.find(context.profile, named) if isinstance(named, str) else None
        if booking is None or booking.key is None:
            return None
        # A key is taken away however late we hear of it: an old key that opens is worse than a late word.
        content = RoomKey(
            "revoke",
            booking.id,
            booking.property,
            context.profile.device,
            booking.departure,
            booking.room,
            booking.key,
        )
        candidate = context.fire(self.play, FAMILY, content, self._valid_for, booking.id)
        stays.put(context.profile, msgspec.structs.replace(booking, key=None))
        return candidate

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
            ("consent", self._consent in profile.consents),
            ("accuracy", 0 <= accuracy <= self._accuracy),
            ("live-key", booking is None or booking.key is None),
        )
        return tuple(name for name, holds in gates if not holds)
