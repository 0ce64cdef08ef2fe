"""Moment: the good and the bad ones of a customer, as they are kept in a profile."""

from __future__ import annotations

import msgspec

MAX_MOMENTS = 16
"""Good and bad moments kept, the newest: at 90 days of window, more than one a week."""


class Moment(msgspec.Struct, array_like=True, frozen=True, order=True, gc=False):
    """A good or bad moment of the experience ledger.

    Attributes:
        time: when it happened, in ms.
        weight: from −1 (the worst) to 1 (the best).
        type: the touchpoint's type.
        touchpoint: the touchpoint's id.
    """

    time: int
    weight: float
    type: str
    touchpoint: str
