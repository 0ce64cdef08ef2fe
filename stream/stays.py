"""Stays: the bookings on a profile, from confirmation to check-out.

When it happened decides, not when it arrived: an old word that comes late changes nothing.
"""

from __future__ import annotations

from datetime import date

import msgspec

from schemas.profile import MAX_BOOKINGS, Booking, Profile
from schemas.touchpoint import Identifier, Touchpoint

OVER = ("cancelled", "checked-out")
"""Statuses of a booking that has ended."""


class BookingData(msgspec.Struct, frozen=True):
    """What a booking touchpoint must say in its data.

    Attributes:
        booking: the booking's id.
        property: which hotel; needed to confirm.
        arrival: first day; needed to confirm.
        departure: last day, not before the first; needed to confirm.
        room: the room's number, if it is assigned.
    """

    booking: Identifier
    property: Identifier | None = None
    arrival: date | None = None
    departure: date | None = None
    room: Identifier | None = None


def confirm(profile: Profile, touchpoint: Touchpoint) -> bool:
    """Enter a booking, or change the one with the same id; whether it is a new one.

    Raises:
        msgspec.ValidationError: the data lacks what a booking needs, or the stay ends before it begins.
    """
    data = msgspec.convert(touchpoint.data, BookingData)
    old = find(profile, data.booking)
    if old is not None:
        if _is_outdated(touchpoint, "confirmed", old):
            return False
        booking = msgspec.structs.replace(
            old,
            property=data.property or old.property,
            arrival=data.arrival or old.arrival,
            departure=data.departure or old.departure,
            room=data.room or old.room,
            status=old.status if old.status == "in-house" else "confirmed",
            changed=touchpoint.time,
        )
    else:
        if data.property is None or data.arrival is None or data.departure is None:
            raise msgspec.ValidationError(
                "a booking needs `property`, `arrival` and `departure` - at `$.data`"
            )
        booking = Booking(
            data.booking,
            data.property,
            data.arrival,
            data.departure,
            room=data.room,
            changed=touchpoint.time,
        )
    if booking.departure < booking.arrival:
        raise msgspec.ValidationError("`departure` is before `arrival` - at `$.data`")
    put(profile, booking)
    return old is None


def set_status(profile: Profile, touchpoint: Touchpoint, status: str) -> None:
    """Set the status of the booking that a touchpoint names, if it is known and nothing newer is.

    Raises:
        msgspec.ValidationError: the data names no booking.
    """
    data = msgspec.convert(touchpoint.data, BookingData)
    booking = find(profile, data.booking)
    if booking is not None and not _is_outdated(touchpoint, status, booking):
        room = data.room or booking.room
        put(profile, msgspec.structs.replace(booking, status=status, room=room, changed=touchpoint.time))


def _is_outdated(touchpoint: Touchpoint, status: str, booking: Booking) -> bool:
    """Whether a touchpoint's status is older than the booking's; of two at once the ending one holds."""
    if touchpoint.time == booking.changed:
        return booking.status in OVER and status not in OVER
    return touchpoint.time < booking.changed


def find(profile: Profile, id_: str) -> Booking | None:
    """The booking with this id, if the profile has it."""
    return next((booking for booking in profile.bookings if booking.id == id_), None)


def put(profile: Profile, booking: Booking) -> None:
    """Put a booking in place of the one with its id, in order of arrival; drop one when too many."""
    others = [other for other in profile.bookings if other.id != booking.id]
    kept = sorted((*others, booking), key=lambda entry: (entry.arrival, entry.id))
    if len(kept) > MAX_BOOKINGS:
        kept.remove(min(kept, key=_worth_keeping))
    profile.bookings = tuple(kept)


def _worth_keeping(booking: Booking) -> tuple[bool, bool, date, str]:
    """Least for stays that are over; most for one whose key is live, for it must be revoked."""
    return booking.key is not None, booking.status not in OVER, booking.arrival, booking.id
