"""Stay: bookings of a guest and the room keys to them, as they are kept in a profile."""

from __future__ import annotations

from datetime import date

import msgspec

MAX_BOOKINGS = 8
"""Bookings kept; the first to go are those that are over, then the earliest, never one whose key
is live. A guest with more at once is a travel agency."""

MAX_EARLY = 8
"""Bookings remembered of which a status is known and nothing else yet: as many as are kept."""


class Key(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A room key that is live.

    Attributes:
        trigger: id of the trigger that issued it.
        device: the device that got it.
        property: the hotel that it says; None for one from before that was noted.
        departure: the last day that it says.
        room: the room that it says, if one was assigned.
    """

    trigger: str
    device: str
    property: str | None = None
    departure: date | None = None
    room: str | None = None


class Waiting(msgspec.Struct, array_like=True, frozen=True, order=True, gc=False):
    """An arrival to which nothing was missing but the room.

    Attributes:
        time: when the guest arrived, in ms.
        property: at which hotel.
        device: with which device.
    """

    time: int
    property: str
    device: str


class Booking(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A stay at a property.

    Attributes:
        id: the booking's id.
        property: which hotel.
        arrival: first day, in the property's own calendar.
        departure: last day, in the property's own calendar.
        status: `confirmed`, `in-house`, `cancelled` or `checked-out`.
        room: the room's number, once it is known.
        key: the room key that is live now.
        changed: time of the touchpoint that it stands as it is since, in ms.
        waiting: the arrival of a guest who waits for the room.
    """

    id: str
    property: str
    arrival: date
    departure: date
    status: str = "confirmed"
    room: str | None = None
    key: Key | None = None
    changed: int = 0
    waiting: Waiting | None = None


class Words(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """When each thing was said that a booking is made of, so that the latest word holds; −1 is never.

    Attributes:
        property: when the hotel was said, in ms, as all of these.
        arrival: when the first day was said.
        departure: when the last day was said.
        room: when the room was said.
        confirmed: when it was confirmed last.
        said: when another status was said last.
        status: that status; empty for none.
        early: the room, of a booking that is not confirmed yet.
        ready: when a room was said to be ready last.
        ready_room: that room.
    """

    property: int = -1
    arrival: int = -1
    departure: int = -1
    room: int = -1
    confirmed: int = -1
    said: int = -1
    status: str = ""
    early: str | None = None
    ready: int = -1
    ready_room: str = ""
