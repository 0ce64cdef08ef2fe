"""Property: a hotel, and the fence around it that tells who has arrived."""

from __future__ import annotations

import msgspec

from schemas.quantities import Latitude, Longitude, Radius, Width


class Fence(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A circle on the map.

    Attributes:
        latitude: of its centre, in degrees.
        longitude: of its centre, in degrees.
        radius_m: whoever is within is there, in metres.
        hysteresis_m: whoever was there is gone only beyond the radius and this, in metres, so that one who
            stands at the line doesn't arrive again and again.
    """

    latitude: Latitude
    longitude: Longitude
    radius_m: Radius
    hysteresis_m: Width = 50.0


class Property(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A hotel.

    Attributes:
        zone: IANA time zone; it decides what "today" is at the door.
        fence: where it is, for arrivals that a location tells of.
        awaits_room: whether a key waits for the word that the room is ready.
    """

    zone: str
    fence: Fence | None = None
    awaits_room: bool = False
