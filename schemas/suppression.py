"""Suppression: why promotions are held back, as it is kept in a profile."""

from __future__ import annotations

import msgspec

MAX_SUPPRESSED = 8
"""Reasons to hold promotions back: an issue, fatigue and some declined categories; those go first that end
first."""


class Suppressed(msgspec.Struct, array_like=True, frozen=True, order=True, gc=False):
    """A reason for which promotions are held back, on every channel.

    Attributes:
        until: when it ends by itself, in ms.
        because: `open-issue`, `declined` or `fatigue`.
        about: the category that was declined; else empty.
        since: when it began, in ms.
    """

    until: int
    because: str
    about: str
    since: int
