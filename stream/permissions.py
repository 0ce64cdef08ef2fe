"""Permissions: the device that is bound to a customer, and the purposes agreed to."""

from __future__ import annotations

import msgspec

from schemas.profile import Profile
from schemas.touchpoint import Identifier, Touchpoint

MAX_PURPOSES = 16
"""Purposes kept: more than a privacy notice can explain."""


class DeviceData(msgspec.Struct, frozen=True):
    """What a `device.bound` touchpoint must say: which device."""

    device: Identifier


class ConsentData(msgspec.Struct, frozen=True):
    """What a consent touchpoint must say: for which purpose."""

    purpose: Identifier


def bind_device(profile: Profile, touchpoint: Touchpoint) -> None:
    """Bind a device in place of the one before.

    Raises:
        msgspec.ValidationError: the data names no device.
    """
    profile.device = msgspec.convert(touchpoint.data, DeviceData).device


def grant(profile: Profile, touchpoint: Touchpoint) -> None:
    """Note that the customer agrees to a purpose.

    Raises:
        msgspec.ValidationError: the data names no purpose.
    """
    purpose = msgspec.convert(touchpoint.data, ConsentData).purpose
    profile.consents = (*(p for p in profile.consents if p != purpose), purpose)[-MAX_PURPOSES:]


def withdraw(profile: Profile, touchpoint: Touchpoint) -> None:
    """Note that the customer no longer agrees to a purpose; it holds from this touchpoint on.

    Raises:
        msgspec.ValidationError: the data names no purpose.
    """
    purpose = msgspec.convert(touchpoint.data, ConsentData).purpose
    profile.consents = tuple(p for p in profile.consents if p != purpose)
