"""Presence: at which hotels a guest's device was seen, as it is kept in a profile."""

from __future__ import annotations

import msgspec

MAX_PRESENCES = 4
"""Hotels that a guest has come to lately, the latest: nobody arrives at five in a day."""


class Presence(msgspec.Struct, array_like=True, frozen=True, order=True, gc=False):
    """What the bound device's locations say of one hotel.

    Attributes:
        time: when the device was last seen there, or first seen away from there, in ms.
        property: which hotel.
        device: the device.
        inside: whether it has arrived and not left since.
        arrived: when it arrived last, in ms; −1 where it has not.
        failed: the gates at which it is refused.
    """

    time: int
    property: str
    device: str
    inside: bool
    arrived: int = -1
    failed: tuple[str, ...] = ()
