"""Permissions: the device that is bound to a customer, and the purposes agreed to.

When it was said decides, not when it arrived: an old word that comes late changes nothing.
"""

from __future__ import annotations

import msgspec

from schemas.profile import MAX_PURPOSES, Consent, Profile
from schemas.touchpoint import Identifier, Touchpoint


class DeviceData(msgspec.Struct, frozen=True):
    """What a `device.bound` touchpoint must say: which device."""

    device: Identifier


class ConsentData(msgspec.Struct, frozen=True):
    """What a consent touchpoint must say: for which purpose."""

    purpose: Identifier


def bind_device(profile: Profile, touchpoint: Touchpoint) -> None:
    """Bind a device in place of the one before, unless that one was bound later.

    Raises:
        msgspec.ValidationError: the data names no device.
    """
    device = msgspec.convert(touchpoint.data, DeviceData).device
    _bind(profile, device, touchpoint.time)


def grant(profile: Profile, touchpoint: Touchpoint) -> None:
    """Note that the customer agrees to a purpose.

    Raises:
        msgspec.ValidationError: the data names no purpose.
    """
    _note(profile, touchpoint, withdrawn=False)


def withdraw(profile: Profile, touchpoint: Touchpoint) -> None:
    """Note that the customer no longer agrees to a purpose, though it be granted at the same time.

    Raises:
        msgspec.ValidationError: the data names no purpose.
    """
    _note(profile, touchpoint, withdrawn=True)


def agreed(profile: Profile, purpose: str) -> bool:
    """Whether the latest word on a purpose is that the customer agrees; no word is no."""
    return any(consent.purpose == purpose and not consent.withdrawn for consent in profile.consents)


def _note(profile: Profile, touchpoint: Touchpoint, *, withdrawn: bool) -> None:
    purpose = msgspec.convert(touchpoint.data, ConsentData).purpose
    latest = {consent.purpose: consent for consent in profile.consents}
    said = Consent(touchpoint.time, withdrawn, purpose)
    latest[purpose] = max(latest.get(purpose, said), said)
    _keep(profile, latest)


def merge(profile: Profile, other: Profile) -> None:
    """Take over what another profile of the same customer was told later."""
    if other.device is not None:
        _bind(profile, other.device, other.device_bound)
    if other.consents:
        latest = {consent.purpose: consent for consent in profile.consents}
        for said in other.consents:
            latest[said.purpose] = max(latest.get(said.purpose, said), said)
        _keep(profile, latest)


def _bind(profile: Profile, device: str, time: int) -> None:
    # Of two at once the greater name, so that both orders of arrival come to the same.
    if (time, device) > (profile.device_bound, profile.device or ""):
        profile.device, profile.device_bound = device, time


def _keep(profile: Profile, latest: dict[str, Consent]) -> None:
    # The oldest words go, and no older one comes in: whoever's withdrawal is forgotten stays withdrawn.
    profile.consents = tuple(sorted(latest.values())[-MAX_PURPOSES:])
