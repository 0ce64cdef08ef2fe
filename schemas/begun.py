"""Begun: what a customer began, such as a cart, as it is kept in a profile."""

from __future__ import annotations

import msgspec

MAX_BEGUN = 16
"""Things begun that are remembered, those touched last: as many carts as one may have under way."""


class Begun(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Something that a customer has begun, such as a cart, and what became of it.

    Attributes:
        left: when it was touched last, in ms; −1: never, as far as is known.
        ended: when it was ended last, in ms; −1: never.
        channel: where it was left; empty where that is not known.
        type: type of the touchpoint with which it was left.
        offered: whether it was offered to go on with it.
    """

    left: int = -1
    ended: int = -1
    channel: str = ""
    type: str = ""
    offered: bool = False
