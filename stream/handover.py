"""Handover: a profile on its way from an alias to the customer whose it is."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from copy import copy

import msgspec

from schemas import profile as profiles
from schemas.errors import RejectedError
from schemas.profile import Profile, new_profile

_OWN = frozenset(
    (
        *("version", "customer", "applied", "ahead", "erased"),
        *("moved_to", "linked_to", "aliases", "links", "heard", "sent"),
    )
)
"""Fields of a profile that are the id's own, and stay with it when it is handed over."""


def pack(profile: Profile) -> str:
    """What is handed over of a profile, as it is stored, in base64."""
    nothing = new_profile(profile.customer)
    carried = copy(profile)
    for field in _OWN:
        setattr(carried, field, getattr(nothing, field))
    return b64encode(profiles.encode(carried)).decode()


def unpack(text: str) -> Profile:
    """The profile that was handed over.

    Raises:
        RejectedError: it is none.
    """
    try:
        return profiles.decode(b64decode(text, validate=True))
    except (msgspec.DecodeError, binascii.Error):
        raise RejectedError("identity-foreign", "what is handed over is no profile") from None


def clear(profile: Profile) -> None:
    """Leave nothing of a profile that was handed over but what is the id's own."""
    nothing = new_profile(profile.customer)
    for field in Profile.__struct_fields__:
        # A touchpoint that comes again under this id is known here, whichever way the first one went.
        if field not in _OWN and field != "seen":
            setattr(profile, field, getattr(nothing, field))
