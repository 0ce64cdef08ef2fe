"""Permissions: the device that is bound to a customer, and the purposes agreed to.

When it was said decides, not when it arrived: an old word that comes late changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from schemas.consent import MAX_CONSENTS, Consent
from schemas.profile import Profile
from schemas.touchpoint import Identifier, Touchpoint

ALL = "all"
"""What an app may call all channels; none can be called so."""


class DeviceData(msgspec.Struct, frozen=True):
    """What a `device.bound` touchpoint must say: which device."""

    device: Identifier


class ConsentData(msgspec.Struct, frozen=True):
    """What a consent touchpoint must say.

    Attributes:
        purpose: for which purpose.
        for_channel: for which channel; `all`, or left out, for all of them. Not `channel`, which says where
            it was said: a withdrawal must not hold for less than was meant.
    """

    purpose: Identifier
    for_channel: Identifier = ALL


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


def agreed(profile: Profile, purpose: str, channel: str | None = None) -> bool:
    """Whether the latest word on a purpose is that the customer agrees; no word is no.

    Args:
        profile: the customer's.
        purpose: what it is for.
        channel: by which channel: words on all channels and on this one count. What names none may go out by
            any, as its subscriber chooses: there the word on all channels has to agree, and no channel may
            have been taken out of it since. A word for one channel alone agrees to none of the others.
    """
    words = {said.channel: said for said in profile.consents if said.purpose == purpose}
    general = words.get("")
    if channel is not None:
        said = [word for word in (general, words.get(channel)) if word is not None]
        return bool(said) and not max(said).withdrawn
    if general is None or general.withdrawn:
        return False
    return not any(word.withdrawn and word > general for word in words.values())


def _note(profile: Profile, touchpoint: Touchpoint, *, withdrawn: bool) -> None:
    data = msgspec.convert(touchpoint.data, ConsentData)
    channel = "" if data.for_channel == ALL else data.for_channel
    _keep(profile, [Consent(touchpoint.time, withdrawn, data.purpose, channel)])


def merge(profile: Profile, other: Profile) -> None:
    """Take over what another profile of the same customer was told later."""
    if other.device is not None:
        _bind(profile, other.device, other.device_bound)
    if other.consents:
        _keep(profile, other.consents)


def _bind(profile: Profile, device: str, time: int) -> None:
    # Of two at once the greater name, so that both orders of arrival come to the same.
    if (time, device) > (profile.device_bound, profile.device or ""):
        profile.device, profile.device_bound = device, time


def _keep(profile: Profile, words: Iterable[Consent]) -> None:
    latest = {(consent.purpose, consent.channel): consent for consent in profile.consents}
    for said in words:
        known = latest.get((said.purpose, said.channel), said)
        latest[said.purpose, said.channel] = max(known, said)
    # The oldest words go, and no older one comes in: whoever's withdrawal is forgotten stays withdrawn.
    profile.consents = tuple(sorted(latest.values())[-MAX_CONSENTS:])
