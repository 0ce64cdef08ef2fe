"""Forward: a touchpoint that one customer's step sends to another customer, under that one's key."""

from __future__ import annotations

import msgspec

from schemas.touchpoint import Touchpoint


class Forward(msgspec.Struct, frozen=True, gc=False):
    """A touchpoint to be published to the touchpoint topic.

    Only the owner of a partition may change the profiles on it, so what concerns a profile
    elsewhere goes there as a touchpoint, with an id that is the same whenever the step is repeated.

    Attributes:
        touchpoint: what is sent; its customer is the record's key.
    """

    touchpoint: Touchpoint
