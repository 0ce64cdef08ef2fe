"""Offer: something that may be offered to put things right, to keep a customer or to delight one."""

from __future__ import annotations

import msgspec

from schemas.quantities import Amount, Share


class Offer(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """An offer, by a name that the subscriber knows.

    Attributes:
        amount: what it is worth, in the shop's currency.
        min_severity: from which weight of bad moment on, 0 to 1.
        min_spent: from which money spent on.
    """

    amount: Amount
    min_severity: Share = 0.0
    min_spent: Amount = 0.0
