"""Item: what a customer bought or declined, as it is kept in a profile."""

from __future__ import annotations

import msgspec

MAX_ITEMS = 24
"""Items remembered that were bought or declined; the first to go are those bought, the earliest first."""


class Item(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a customer has done about an item.

    Attributes:
        declined: when they said no to it last, in ms; −1: never.
        bought: when they bought it last, in ms; −1: never.
    """

    declined: int = -1
    bought: int = -1
