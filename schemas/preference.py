"""Preference: how a customer likes things, as it is kept in a profile."""

from __future__ import annotations

import msgspec

MAX_PREFERENCES = 24
"""Preferences kept: those that were stated, the latest, then those that were learned. What staff can read
before the guest has reached the desk is less."""


class Preference(msgspec.Struct, array_like=True, frozen=True, order=True, gc=False):
    """How a customer likes something. The word that outranks another is the greater one.

    Attributes:
        stated: whether the customer or a member of staff stated it; else it was learned.
        time: when, in ms.
        name: what it is about.
        value: how the customer likes it; empty where there is no preference any more.
        by: who said so.
    """

    stated: bool
    time: int
    name: str
    value: str
    by: str
