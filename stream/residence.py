"""Residence: by which clock a customer lives."""

from __future__ import annotations

import msgspec

from schemas.playbook import Playbook
from schemas.profile import Profile
from schemas.touchpoint import Identifier, Touchpoint
from schemas.zone import is_zone


class StatedData(msgspec.Struct, frozen=True):
    """What a `profile.stated` touchpoint may say: the time zone that the customer lives in."""

    zone: Identifier | None = None


def state(profile: Profile, touchpoint: Touchpoint) -> None:
    """Note what a customer says of himself; the latest word holds.

    Raises:
        msgspec.ValidationError: the zone is none.
    """
    name = msgspec.convert(touchpoint.data, StatedData).zone
    if name is None:
        return
    if not is_zone(name):
        raise msgspec.ValidationError("`zone` is no IANA time zone - at `$.data.zone`")
    _note(profile, name, touchpoint.time)


def merge(profile: Profile, other: Profile) -> None:
    """Take over what another profile of the same customer was told later."""
    if other.zone is not None:
        _note(profile, other.zone, other.zone_said)


def _note(profile: Profile, name: str, time: int) -> None:
    # Of two at once the greater name, so that both orders of arrival come to the same.
    if profile.zone is None or (time, name) > (profile.zone_said, profile.zone):
        profile.zone, profile.zone_said = name, time


class Residence:
    """What a playbook says of where customers are.

    Args:
        playbook: whose properties, and whose zone for all others.
    """

    def __init__(self, playbook: Playbook) -> None:
        self._zones = {id_: place.zone for id_, place in playbook.properties.items()}
        self._default = playbook.zone

    def zone_of(self, profile: Profile) -> str:
        """The name of a customer's time zone.

        It is that of the hotel where the customer stays now, else the one that the customer stated, else
        that of the hotel of the latest booking, else the playbook's.
        """
        zones = self._zones
        for booking in profile.bookings:
            if booking.status == "in-house" and booking.property in zones:
                return zones[booking.property]
        if profile.zone is not None:
            return profile.zone
        for booking in reversed(profile.bookings):
            if booking.property in zones:
                return zones[booking.property]
        return self._default
